//! Static data of a guest in the canonical ABI's layout, and calls of the host
//! with it.

use potluck::plugin::{BackupItem, Belief, Command, Ending, Names};

/// Addresses below this are the guest's own, those from here are its results.
const BASE: u32 = 256;
/// The allocator begins here.
const END: u32 = 8192;
/// Where the functions below have the host's answer put.
pub const ANSWER: u32 = 160;

/// What lies in a guest's memory from the beginning.
pub struct Data(Vec<u8>);

impl Data {
    pub fn new() -> Self {
        Data(Vec::new())
    }

    /// The items of the core module that put it there.
    pub fn items(&self) -> String {
        let bytes: String = self.0.iter().map(|b| format!("\\{b:02x}")).collect();
        format!(r#"(data (i32.const {BASE}) "{bytes}")"#)
    }

    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        while !self.0.len().is_multiple_of(8) {
            self.0.push(0);
        }
        let at = BASE + u32::try_from(self.0.len()).unwrap();
        self.0.extend(bytes);
        assert!(BASE + u32::try_from(self.0.len()).unwrap() < END, "too much data");
        at
    }

    pub fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put(&bytes)
    }

    pub fn string(&mut self, text: &str) -> [u32; 2] {
        [self.put(text.as_bytes()), u32::try_from(text.len()).unwrap()]
    }

    pub fn list(&mut self, elements: &[Vec<u32>]) -> [u32; 2] {
        let words: Vec<u32> = elements.concat();
        [self.words(&words), u32::try_from(elements.len()).unwrap()]
    }

    pub fn strings<T: AsRef<str>>(&mut self, texts: &[T]) -> [u32; 2] {
        let texts: Vec<Vec<u32>> = texts.iter().map(|t| self.string(t.as_ref()).to_vec()).collect();
        self.list(&texts)
    }

    pub fn pairs(&mut self, pairs: &[(&str, &str)]) -> [u32; 2] {
        let pairs: Vec<Vec<u32>> =
            pairs.iter().map(|(k, v)| [self.string(k), self.string(v)].concat()).collect();
        self.list(&pairs)
    }

    /// argv and limit; no environment, user or folder.
    fn command(&mut self, command: &Command) -> Vec<u32> {
        let mut words = self.strings(&command.argv).to_vec();
        words.extend(self.list(&[]));
        words.extend([0; 6]);
        let limit = command.timeout.map(|limit| u32::try_from(limit.as_millis()).unwrap());
        words.extend([u32::from(limit.is_some()), limit.unwrap_or_default()]);
        words
    }

    /// In the version of the role that has what the dump says.
    pub fn item(&mut self, item: &BackupItem, version: &str) -> Vec<u32> {
        let newer = version == "0.3.0";
        let mut words = match item {
            BackupItem::Volume { name, paths, exclude } => {
                let (name, paths, exclude) =
                    (self.string(name), self.strings(paths), self.strings(exclude));
                [[0].as_slice(), &name, &paths, &exclude].concat()
            }
            BackupItem::Dump { name, service, take, put_back, belief } => {
                let (name, service) = (self.string(name), self.string(service));
                let (take, put_back) = (self.command(take), self.command(put_back));
                let belief = if newer { self.belief(belief) } else { Vec::new() };
                [[1].as_slice(), &name, &service, &take, &put_back, &belief].concat()
            }
            BackupItem::Custom { name } => [[2].as_slice(), &self.string(name)].concat(),
        };
        // The variant is as large as its largest case.
        words.resize(1 + if newer { 51 } else { 28 }, 0);
        words
    }

    fn belief(&mut self, Belief { ending, may_shrink, names }: &Belief) -> Vec<u32> {
        let ending = match ending {
            Ending::Any => vec![0; 3],
            Ending::Known => vec![1, 0, 0],
            Ending::Line(text) => [[2].as_slice(), &self.string(text)].concat(),
            Ending::Bytes(bytes) => {
                [3, self.put(bytes), u32::try_from(bytes.len()).unwrap()].to_vec()
            }
            Ending::Unmarked => vec![4, 0, 0],
        };
        let names = match names {
            None => vec![0; 19],
            Some(Names { listing, between, all }) => {
                let listing = self.command(listing);
                let between = match between {
                    None => vec![0; 5],
                    Some((before, after)) => {
                        [[1].as_slice(), &self.string(before), &self.string(after)].concat()
                    }
                };
                [[1].as_slice(), &listing, &between, &[u32::from(*all)]].concat()
            }
        };
        [ending.as_slice(), &[u32::from(*may_shrink)], &names].concat()
    }

    /// `(call $name …)` with texts and lists by address and length, and the
    /// answer at [`ANSWER`].
    pub fn call(&mut self, name: &str, arguments: &[[u32; 2]], rest: &[u32]) -> String {
        let all = arguments.iter().flatten().chain(rest).chain([&ANSWER]);
        let all: String = all.map(|n| format!("(i32.const {n})")).collect();
        format!("(call ${name} {all})")
    }

    /// Runs this in the service `db`.
    pub fn run(&mut self, service: &str, argv: &[&str], env: &[(&str, &str)]) -> String {
        let service = self.string(service);
        let (argv, env) = (self.strings(argv), self.pairs(env));
        self.call("run", &[service, argv, env], &[0; 10])
    }

    pub fn log(&mut self, level: u32, text: &str) -> String {
        let [at, length] = self.string(text);
        format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {length}))")
    }
}

/// Fails with the text of the error that the last call gave: the result's case,
/// the error's case, a string.
pub fn fail_with_error() -> String {
    format!(
        "(if (result i32) (i32.load8_u (i32.const {ANSWER}))
            (then (call $fail (i32.load (i32.const {})) (i32.load (i32.const {}))))
            (else (i32.const 64)))",
        ANSWER + 8,
        ANSWER + 12
    )
}
