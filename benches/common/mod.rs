//! Times work in rounds, so that a floor and what is compared with it take turns, and prints the medians.

// Each benchmark takes a part of it.
#![allow(dead_code)]

use std::time::Instant;

/// Seconds of one measurement.
pub const MEASUREMENT_S: f64 = 1.0;

/// What the command line asks for: the number of rounds, and the names of cases.
pub fn rounds_and_names() -> (usize, Vec<String>) {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut rounds = 5;
    if let Some(at) = words.iter().position(|word| word == "--rounds") {
        rounds = words.get(at + 1).and_then(|n| n.parse().ok()).expect("--rounds takes a number");
        words.drain(at..at + 2);
    }
    (rounds, words)
}

/// Seconds of one call of `work`, from as many as fit in half a measurement.
pub fn seconds_each(work: &mut dyn FnMut()) -> f64 {
    work();
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed().as_secs_f64() < 0.5 * MEASUREMENT_S || count < 3 {
        work();
        count += 1;
    }
    began.elapsed().as_secs_f64() / count as f64
}

/// Runs `work` on its own thread, where libtorch and rayon have `threads` threads: both keep their number per calling thread.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let run = move || {
            tch::set_num_threads(threads as i32);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build();
            let _pool = pool.expect("threads can be started");
            work()
        };
        scope.spawn(run).join().expect("a measurement doesn't panic")
    })
}

/// Prints the medians of (floor, measured) and of their ratio, and the ratio of the best of each: on a machine that others use too,
/// the best of several rounds is nearest to what it would do alone.
pub fn report(what: &str, pairs: &[(f64, f64)], is_rate: bool, show: impl Fn(f64) -> String) {
    let sorted = |values: &mut dyn Iterator<Item = f64>| {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        if is_rate {
            values.reverse();
        }
        (values[0], values[values.len() / 2])
    };
    let (best_floor, floor) = sorted(&mut pairs.iter().map(|pair| pair.0));
    let (best, measured) = sorted(&mut pairs.iter().map(|pair| pair.1));
    let (_, ratio) = sorted(&mut pairs.iter().map(|pair| pair.1 / pair.0));
    println!("{what:<34} {:>12} {:>12} {ratio:>9.3} {:>9.3}", show(floor), show(measured), best / best_floor);
}
