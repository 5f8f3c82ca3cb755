//! What a plugin may be called.

use std::{fmt, str::FromStr};

use super::Language;

/// A plugin's name, which is also its crate's: lower-case letters, digits and
/// `-`, beginning with a letter, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

const LONGEST: usize = 64;

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The valid name that is most similar to a text.
    pub fn like(text: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let text: String = text.chars().map(plain).take(LONGEST - "plugin-".len()).collect();
        let text = text.trim_matches('-');
        text.parse().unwrap_or_else(|_| Name(format!("plugin-{text}").trim_matches('-').to_owned()))
    }
}

/// What Rust keeps for itself: strict, reserved and those of the edition 2024
/// (The Rust Reference, "Keywords").
pub(super) const RUST_KEYWORDS: &str = "\
    abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return \
    self static struct super trait true try type typeof unsafe unsized use virtual where while \
    yield";
/// Crate names that a plugin in Rust cannot have: the compiler's own, and the SDK.
const CRATES: &str = "alloc core potluck potluck-sdk proc-macro std test";
/// Python's keywords (`keyword.kwlist` in lower case).
const PYTHON_KEYWORDS: &str = "\
    and as assert async await break class continue def del elif else except finally for from \
    global if import in is lambda nonlocal not or pass raise return try while with yield";
/// Modules that a plugin's own would hide (`sys.stdlib_module_names` of Python
/// 3.11, those that can be names, and the SDK's).
const PYTHON_MODULES: &str = "\
    abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop \
    base64 bdb binascii bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code \
    codecs codeop collections colorsys compileall componentize_py_async_support \
    componentize_py_runtime componentize_py_types concurrent configparser contextlib \
    contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal \
    difflib dis distutils doctest email encodings ensurepip enum errno faulthandler \
    fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt \
    getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib \
    imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache \
    locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib \
    msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode \
    operator optparse os ossaudiodev pathlib pdb pickle pickletools pipes pkgutil \
    platform plistlib poll_loop poplib posix posixpath potluck pprint profile pstats pty \
    pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline \
    reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex \
    shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess \
    sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios \
    textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid \
    venv warnings wave weakref webbrowser winreg winsound wit_world wsgiref xdrlib xml \
    xmlrpc zipapp zipfile zipimport zlib zoneinfo";

/// Why a plugin in a language cannot have this name, if it cannot.
pub(super) fn refused(name: &Name, language: Language) -> Option<&'static str> {
    let has = |list: &str, name: &str| list.split_ascii_whitespace().any(|word| word == name);
    let name = name.as_str();
    match language {
        Language::Rust if has(RUST_KEYWORDS, name) => Some("it is a keyword of Rust"),
        Language::Rust if has(CRATES, name) => Some("a crate of Rust or of the SDK has this name"),
        Language::Python if has(PYTHON_KEYWORDS, name) => Some("it is a keyword of Python"),
        Language::Python if has(PYTHON_MODULES, &name.replace('-', "_")) => {
            Some("it would hide the module of this name, of Python or of the SDK")
        }
        Language::Python if name == "setup" || name == "conftest" || name.starts_with("test-") => {
            Some("a module of this name is taken for a test")
        }
        _ => None,
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(plain) {
            return Err("a plugin's name is lower-case letters, digits and `-`".into());
        }
        if text.len() > LONGEST {
            return Err(format!("a plugin's name has at most {LONGEST} letters"));
        }
        Ok(Name(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_language_has_taken_are_refused() {
        use Language::{Python, Rust};
        for (language, names, good) in [
            (Rust, "fn self core std try gen yield potluck potluck-sdk proc-macro test", false),
            (Rust, "json class import greeter test-it", true),
            (Python, "json class import potluck secrets wit-world test-it setup sqlite3", false),
            (Python, "fn self core greeter std", true),
        ] {
            for text in names.split(' ') {
                let name: Name = text.parse().unwrap();
                assert_eq!(refused(&name, language).is_none(), good, "{language:?} {text}");
            }
        }
    }

    #[test]
    fn names_are_those_of_crates() {
        for (text, good) in [
            ("a", true),
            ("word-press2", true),
            ("", false),
            ("2a", false),
            ("A", false),
            ("a_b", false),
            ("ä", false),
        ] {
            assert_eq!(text.parse::<Name>().is_ok(), good, "{text}");
        }
        for (text, like) in [
            ("Next_Cloud", "next-cloud"),
            ("2fauth", "plugin-2fauth"),
            ("", "plugin"),
            ("ü", "plugin"),
        ] {
            assert_eq!(Name::like(text).as_str(), like);
            assert!(Name::like(text).as_str().parse::<Name>().is_ok());
        }
    }
}
