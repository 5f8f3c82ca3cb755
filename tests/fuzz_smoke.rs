//! The fuzz targets on stable Rust: every seed, and mutations of seeds in an order
//! that is the same each time. `POTLUCK_FUZZ_RUNS` says how many per target.
//! Time and memory are bounded by what they are made of: bytes and allocations,
//! counted, so that the bounds hold on any machine. `fuzz/README.md` has the long
//! runs.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};

#[path = "../fuzz/targets.rs"]
mod targets;

/// Mutations per target when nobody says otherwise.
const RUNS: usize = 100;
/// Live at once, in bytes. Aliases may expand to a tree of 64 MiB.
const MOST_LIVE: usize = 512 << 20;
/// Allocations for one input: stands for time.
const MOST_ALLOCATIONS: usize = 20_000_000;

/// Counts what the current thread allocates.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

impl Counting {
    fn grown(bytes: usize) {
        // A thread that ends has no counters any more, and nothing to count.
        let live = LIVE.try_with(|live| {
            live.set(live.get().wrapping_add(bytes));
            live.get()
        });
        let Ok(live) = live else { return };
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live)));
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    }

    fn shrunk(bytes: usize) {
        let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(bytes)));
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting neither
// allocates (the cells are constants without destructors) nor touches memory that
// was handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::shrunk(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::shrunk(layout.size());
        Self::grown(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one input; says what it took, if that is too much.
fn run(target: &str, data: &[u8]) -> Result<(), String> {
    LIVE.set(0);
    PEAK.set(0);
    COUNT.set(0);
    targets::run(target, data);
    let (peak, count) = (PEAK.get(), COUNT.get());
    if peak > MOST_LIVE || count > MOST_ALLOCATIONS {
        return Err(format!("{peak} bytes live at once, {count} allocations"));
    }
    Ok(())
}

/// Marsaglia's xorshift: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}

/// Pieces that mean something to one of the parsers.
const PIECES: &[&str] = &[
    "$",
    "${",
    "}",
    "${SET}",
    "${NOPE:-",
    "${NOPE:?",
    "$$",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">-\n",
    "!!int ",
    "---\n",
    "\n  ",
    "- ",
    ": ",
    "{",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "\\",
    "#",
    "=",
    "~",
    "null",
    "0x",
    "1e9",
    ".inf",
    "-",
    "99999999999999999999",
    "0",
    "65535",
    "-1-",
    ":",
    "/",
    "@",
    "sha256:",
    "/udp",
    "ns",
    "h",
    "m",
    "K",
    "iB",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "ü",
    "𝄞",
    "services:\n",
    "deploy: ",
    "\n--8<--\n",
];

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(32)).min(data.len());
        match random.below(6) {
            0 => drop(data.drain(at..end)),
            1 => drop(data.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            2 => {
                let copy = data[at..end].to_vec();
                for _ in 0..random.below(200) {
                    drop(data.splice(at..at, copy.iter().copied()));
                }
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                drop(data.splice(at..end, other[from..].iter().copied()));
            }
            4 if at < data.len() => data[at] = u8::try_from(random.below(128)).unwrap(),
            _ => data.truncate(data.len().max(1) - random.below(4).min(data.len())),
        }
    }
    data.truncate(targets::LONGEST);
    // Most mutations within a character are not UTF-8 any more; they would be
    // left out.
    String::from_utf8_lossy(&data).into_owned().into_bytes()
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_seed_and_its_mutations_end_within_bounds() {
    let runs = std::env::var("POTLUCK_FUZZ_RUNS");
    let runs = runs.map_or(RUNS, |runs| runs.parse().expect("POTLUCK_FUZZ_RUNS is a number"));
    for (target, _) in targets::ALL {
        let seeds = seeds(target);
        assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
        for (path, data) in &seeds {
            assert!(data.len() <= targets::LONGEST, "{} is too long", path.display());
            if let Err(too_much) = run(target, data) {
                panic!("{}: {too_much}", path.display());
            }
        }
        let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, data)| data).collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for number in 0..runs {
            let data = mutate(&seeds, &mut random);
            let outcome = std::panic::catch_unwind(|| run(target, &data));
            let wrong = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(too_much)) => too_much,
                Err(_) => "it panicked".into(),
            };
            let shown = String::from_utf8_lossy(&data);
            panic!("{target}, mutation {number}: {wrong}; the input is {shown:?}");
        }
    }
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let targets: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, targets);
}
