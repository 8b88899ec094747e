//! Computes Philox4x32-10: ten rounds of multiply and xor over a counter of four words.
//!
//! *Reference*: Salmon et al. 2011 (<https://doi.org/10.1145/2063384.2063405>), section 5.4; constants from table 2.

/// Blocks that [`blocks`] computes side by side: one AVX-512 register of 32-bit words.
pub(crate) const LANES: usize = 16;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Golden ratio and √3 − 1, the Weyl increments of the key.
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The four random words at `counter` of the stream `key`.
pub(crate) fn block(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(INCREMENTS[0]), key[1].wrapping_add(INCREMENTS[1])];
        }
        let low = MULTIPLIERS[0] as u64 * counter[0] as u64;
        let high = MULTIPLIERS[1] as u64 * counter[2] as u64;
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
    }
    counter
}

/// [`block`] at [`LANES`] consecutive values of the first 64 bits of the counter, as four arrays of words.
#[inline(always)]
pub(crate) fn blocks(key: [u32; 2], first: u64, tail: [u32; 2]) -> [[u32; LANES]; 4] {
    blocks_at(key, std::array::from_fn(|lane| first.wrapping_add(lane as u64)), tail)
}

/// [`block`] at [`LANES`] values of the first 64 bits of the counter, as four arrays of words.
///
/// All ten rounds of one lane stand in the body of one loop, which the compiler turns into vector code; the bits are those of
/// [`block`].
#[inline(always)]
pub(crate) fn blocks_at(key: [u32; 2], indices: [u64; LANES], tail: [u32; 2]) -> [[u32; LANES]; 4] {
    let mut out = [[0u32; LANES]; 4];
    for lane in 0..LANES {
        let mut key = key;
        let (mut c0, mut c1, mut c2, mut c3) = (indices[lane] as u32, (indices[lane] >> 32) as u32, tail[0], tail[1]);
        for round in 0..ROUNDS {
            if round > 0 {
                key = [key[0].wrapping_add(INCREMENTS[0]), key[1].wrapping_add(INCREMENTS[1])];
            }
            let low = MULTIPLIERS[0] as u64 * c0 as u64;
            let high = MULTIPLIERS[1] as u64 * c2 as u64;
            c0 = (high >> 32) as u32 ^ c1 ^ key[0];
            c1 = high as u32;
            c2 = (low >> 32) as u32 ^ c3 ^ key[1];
            c3 = low as u32;
        }
        out[0][lane] = c0;
        out[1][lane] = c1;
        out[2][lane] = c2;
        out[3][lane] = c3;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers distributed with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn blocks_equal_the_published_known_answers() {
        assert_eq!(block([0, 0], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(block([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            block([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_equal_single_blocks_also_where_the_counter_carries() {
        for first in [0, u32::MAX as u64 - 3, u64::MAX - 5] {
            let lanes = blocks([7, 9], first, [3, 4]);
            for lane in 0..LANES {
                let i = first.wrapping_add(lane as u64);
                let one = block([7, 9], [i as u32, (i >> 32) as u32, 3, 4]);
                assert_eq!(one, lanes.map(|words| words[lane]));
            }
        }
    }
}
