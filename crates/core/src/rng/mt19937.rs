//! Draws the streams of NumPy's legacy generator and of PyTorch's generator on the CPU, for data that published experiments drew by them.
//!
//! Both are the Mersenne Twister MT19937, seeded by its linear recurrence; they differ in what they make of its words. Nothing else in
//! this crate is drawn like this: all other randomness is a function of a [`Key`](super::Key).
//!
//! *Reference*: M. Matsumoto, T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random number
//! generator", ACM TOMACS 1998 (<https://doi.org/10.1145/272991.272995>).
//! *Tested by*: the generator's published word, first numbers of both libraries, and, where there is libtorch, libtorch itself.

/// Words of state.
const LEN: usize = 624;

/// How far ahead the recurrence looks.
const SHIFT: usize = 397;

/// The generator's state.
#[derive(Debug, Clone)]
pub struct Mt19937 {
    state: [u32; LEN],
    next: usize,
}

impl Mt19937 {
    /// As `numpy.random.seed(seed)` and `torch.manual_seed(seed)` seed it.
    pub fn new(seed: u32) -> Mt19937 {
        let mut state = [seed; LEN];
        for i in 1..LEN {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Mt19937 { state, next: LEN }
    }

    /// The next 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.next == LEN {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..LEN {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % LEN] & 0x7fff_ffff);
            let twisted = (y >> 1) ^ if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % LEN] ^ twisted;
        }
        self.next = 0;
    }

    /// The next number of `numpy.random.rand`: uniform on [0, 1), of 53 bits.
    pub fn numpy_uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// The next number of `numpy.random.choice(bound, n)`: uniform on `0..bound`, by drawing again what is too large. `bound` is at
    /// least 1.
    pub fn numpy_below(&mut self, bound: u32) -> u32 {
        let largest = bound - 1;
        let mask = u32::MAX.checked_shr(largest.leading_zeros()).unwrap_or(0);
        if mask == 0 {
            return 0;
        }
        loop {
            let value = self.word() & mask;
            if value <= largest {
                return value;
            }
        }
    }

    /// `torch.randperm(n)`, n below 2³²/20, where it changes its method.
    pub fn torch_permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in 0..n.saturating_sub(1) {
            order.swap(i, i + self.word() as usize % (n - i));
        }
        order
    }

    /// The next number of a float32 `tensor.uniform_(low, high)`: of 24 bits.
    pub fn torch_uniform(&mut self, low: f32, high: f32) -> f32 {
        let share = f64::from(self.word() & 0xff_ffff) / 16_777_216.0;
        (share * f64::from(high - low) + f64::from(low)) as f32
    }

    /// `torch.randn` of as many numbers as `out` holds, 16 or more; but for the last digit, which depends on the processor there.
    ///
    /// Uniform numbers of 24 bits are drawn for all, then each sixteen become sixteen normal ones by the transform of Box and Muller.
    /// The last sixteen are drawn anew where their number is not a multiple.
    pub fn torch_normal(&mut self, out: &mut [f32]) {
        let mut fill =
            |out: &mut [f32]| out.iter_mut().for_each(|x| *x = (self.word() & 0xff_ffff) as f32 / 16_777_216.0);
        fill(out);
        let (sixteens, rest) = out.as_chunks_mut::<16>();
        sixteens.iter_mut().for_each(box_muller);
        if !rest.is_empty() {
            let mut last = [0.0; 16];
            fill(&mut last);
            box_muller(&mut last);
            let kept = out.len().min(16);
            let start = out.len() - kept;
            out[start..].copy_from_slice(&last[16 - kept..]);
        }
    }
}

/// Makes uniform numbers u on [0, 1) normal: √(−2·ln(1 − uᵢ))·cos(2π·uᵢ₊₈), and the same with the sine in place i + 8.
fn box_muller(numbers: &mut [f32; 16]) {
    for i in 0..8 {
        let radius = (-2.0 * f64::from(1.0 - numbers[i]).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * f64::from(numbers[i + 8])).sin_cos();
        (numbers[i], numbers[i + 8]) = ((radius * cos) as f32, (radius * sin) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_thousandth_word_of_the_usual_seed_is_the_published_one() {
        let mut generator = Mt19937::new(5489);
        // Required of `mt19937` by the C++ standard, [rand.predef].
        assert_eq!((0..10_000).map(|_| generator.word()).last(), Some(4_123_659_995));
    }

    #[test]
    fn uniform_numbers_are_numpys() {
        for (seed, expected) in [
            (12345, [0.9296160928171479, 0.3163755545817859, 0.18391881167709445, 0.2045602785530397]),
            (42, [0.3745401188473625, 0.9507143064099162, 0.7319939418114051, 0.5986584841970366]),
        ] {
            let mut generator = Mt19937::new(seed);
            assert_eq!([0; 4].map(|_| generator.numpy_uniform()), expected, "seed {seed}");
        }
    }

    #[test]
    fn numbers_below_a_bound_stay_below_it_for_every_bound() {
        let mut generator = Mt19937::new(1);
        for bound in [1, 2, 3, 10, 16, 17, u32::MAX] {
            assert!((0..100).all(|_| generator.numpy_below(bound) < bound));
        }
    }

    #[test]
    fn permutations_and_normal_numbers_are_pytorchs() {
        let mut generator = Mt19937::new(42);
        let first = generator.torch_permutation(784);
        assert_eq!(first[..12], [470, 186, 370, 171, 190, 57, 202, 726, 334, 447, 734, 666]);
        assert_eq!(generator.torch_permutation(784)[..4], [307, 62, 564, 544]);
        assert_eq!(generator.torch_permutation(784)[..4], [436, 595, 384, 163]);
        let mut normal = vec![0.0; 3 * 28 * 28];
        Mt19937::new(42).torch_normal(&mut normal);
        for (x, expected) in normal.iter().zip([1.9269153, 1.4872841, 0.9007172, -2.105521f32]) {
            assert!((x - expected).abs() < 1e-6, "{x} for {expected}");
        }
    }
}
