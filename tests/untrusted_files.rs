//! Mutates small files of every format of checkpoints: an error or a checkpoint comes out, no panic, and no memory beyond the file's size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use llc::checkpoint::Checkpoint;
use llc::pickle;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Counts what this thread asks for.
struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // While the thread ends, nothing is counted.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
    let _ = TOTAL.try_with(|total| total.set(total.get().saturating_add(bytes)));
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Words that headers lie with.
const LIES: [u64; 6] = [0, 1 << 31, u32::MAX as u64, 1 << 60, 1 << 63, u64::MAX];

/// A generator of random words: Steele, Lea, Flood 2014, SplitMix64.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)).unwrap()
}

/// Reads `bytes` and holds what it cost against their number.
fn survive(bytes: &[u8], read: impl Fn(&[u8])) {
    LARGEST.set(0);
    TOTAL.set(0);
    read(bytes);
    let limit = 65_536 + 64 * bytes.len();
    assert!(LARGEST.get() <= limit, "{} bytes at once for a file of {}", LARGEST.get(), bytes.len());
    assert!(TOTAL.get() <= 16 * limit, "{} bytes for a file of {}", TOTAL.get(), bytes.len());
}

/// Every truncation, then `num_mutations` files with a few bytes changed, words that lie, or pieces moved.
fn attack(original: &[u8], seed: u64, num_mutations: usize, read: impl Fn(&[u8])) {
    for end in 0..original.len() {
        survive(&original[..end], &read);
    }
    let mut words = Words(seed);
    for _ in 0..num_mutations {
        let mut bytes = original.to_vec();
        for _ in 0..=words.below(3) {
            let at = words.below(bytes.len());
            match words.below(5) {
                0 => bytes[at] = words.next() as u8,
                1 => bytes[at] ^= 1 << words.below(8),
                2 => {
                    let lie = LIES[words.below(LIES.len())].to_le_bytes();
                    let width = [1, 2, 4, 8][words.below(4)].min(bytes.len() - at);
                    bytes[at..at + width].copy_from_slice(&lie[8 - width..]);
                }
                3 => {
                    let end = (at + words.below(64)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let end = (at + words.below(64)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = words.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        survive(&bytes, &read);
    }
}

fn read_checkpoint(bytes: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::read_bytes(bytes) {
        checkpoint.tensors.iter().for_each(|tensor| tensor.check().unwrap());
    }
}

#[test]
fn mutated_pickles_are_an_error_or_read() {
    for (seed, name) in ["batch-0.pkl", "batch-2.pkl", "batch-5.pkl", "batch-python2.pkl"].into_iter().enumerate() {
        attack(&fixture(name), seed as u64, 5000, |bytes| drop(pickle::parse(bytes).map(drop)));
        attack(&fixture(name), seed as u64, 1000, read_checkpoint);
    }
}

#[test]
fn mutated_checkpoints_of_haiku_are_an_error_or_read() {
    let mut words = Words(40);
    let original = fixture("haiku.pkl");
    for _ in 0..1000 {
        let mut bytes = original.clone();
        for _ in 0..=words.below(3) {
            let at = words.below(bytes.len());
            bytes[at] = words.next() as u8;
        }
        survive(&bytes, read_checkpoint);
    }
}

#[test]
fn mutated_archives_of_pytorch_are_an_error_or_read() {
    attack(&fixture("network.pth"), 10, 4000, read_checkpoint);
    attack(&fixture("dtypes.pt"), 11, 2000, read_checkpoint);
}

#[test]
fn mutated_pickles_in_archives_with_right_checksums_are_an_error_or_read() {
    let mut archive = ZipArchive::new(Cursor::new(fixture("dtypes.pt"))).unwrap();
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        members.push((entry.name().unwrap().into_owned(), bytes));
    }
    let program = members.iter().position(|(name, _)| name.ends_with("data.pkl")).unwrap();
    let pack = |program_bytes: &[u8]| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (index, (name, bytes)) in members.iter().enumerate() {
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            writer.start_file(name.as_str(), stored).unwrap();
            writer.write_all(if index == program { program_bytes } else { bytes }).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let same = Checkpoint::read_bytes(&pack(&members[program].1)).unwrap();
    assert_eq!(same, Checkpoint::read_bytes(&fixture("dtypes.pt")).unwrap());
    let original = members[program].1.clone();
    attack(&original, 12, 4000, |bytes| {
        let archive = pack(bytes);
        survive(&archive, read_checkpoint);
    });
}

#[test]
fn mutated_files_of_older_pytorch_are_an_error_or_read() {
    attack(&fixture("dtypes-legacy.pt"), 20, 5000, read_checkpoint);
    attack(&fixture("training-legacy.pt"), 21, 4000, read_checkpoint);
}

#[test]
fn mutated_safetensors_are_an_error_or_read() {
    let bytes = Checkpoint::read_bytes(&fixture("training.pt")).unwrap().to_bytes().unwrap();
    attack(&bytes, 30, 8000, read_checkpoint);
}

#[test]
fn a_header_that_claims_an_exabyte_costs_nothing() {
    let header = br#"{"w":{"dtype":"F32","shape":[288230376151711744],"data_offsets":[0,1152921504606846976]}}"#;
    let honest = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    let long = [&(1u64 << 60).to_le_bytes()[..], header].concat();
    let legacy = fixture("dtypes-legacy.pt");
    // The number of elements of the first storage stands behind the last pickle, that of the keys.
    let keys = legacy.windows(2).rposition(|bytes| bytes == b"e.").unwrap();
    let mut lying = legacy.clone();
    lying[keys + 2..keys + 10].copy_from_slice(&(1u64 << 60).to_le_bytes());
    for bytes in [honest, long, lying] {
        assert!(Checkpoint::read_bytes(&bytes).is_err());
        survive(&bytes, read_checkpoint);
    }
}

#[test]
fn lists_shared_again_and_again_do_not_grow() {
    // Thirty lists, each of ten times the one before: 10³⁰ numbers, were they a tree.
    let mut bytes = b"\x80\x02]K\x01aq\x00".to_vec();
    for list in 0..30u8 {
        bytes.extend(b"](");
        (0..10).for_each(|_| bytes.extend([b'h', list]));
        bytes.extend([b'e', b'q', list + 1]);
    }
    bytes.push(b'.');
    survive(&bytes, |bytes| assert!(Checkpoint::read_bytes(bytes).is_err()));
}
