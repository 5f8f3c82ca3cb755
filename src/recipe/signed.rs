//! Whether a version of a recipe was signed by someone whom the folder names
//! (`recipe-signers`): its tag where it has one, else the commit. git checks the signature
//! with ssh-keygen, in a repository of ours and with no configuration but this module's.
//!
//! A signature says nothing of the reference that leads to it, so the tag has to call itself
//! what it is called, and to be of a commit. It says nothing of the repository either: a team
//! that signs several recipes with one key vouches for each of them under each name.

use std::io::Write;

use super::{
    Error,
    error::{Unsigned, Untrusted},
    git::{self, LOCAL, Repository, local},
    version::newest_first,
};
use crate::{
    home::{RecipeName, RecipeSigners},
    text,
};

/// Who signed a version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Signed {
    /// As the file of signers calls the key's owner.
    pub by: String,
    /// The key, `ED25519 SHA256:…`.
    pub key: String,
}

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.by, self.key)
    }
}

/// What a version was found by.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    Tag(&'a str),
    /// A commit, a branch, or the newest commit of what was never released.
    Commit,
}

/// How a signature begins that ssh-keygen made, and those that others made.
const HEADER: &str = "-----BEGIN SSH SIGNATURE-----";
const OTHER: [&str; 2] = ["-----BEGIN PGP ", "-----BEGIN SIGNED MESSAGE-----"];

/// Who signed this version.
///
/// # Errors
/// [`Error::Unsigned`] with the newest release that is signed; [`Error::Git`].
pub(super) fn check(
    recipe: &RecipeName,
    repository: &Repository,
    (by, commit): (By<'_>, &str),
    signers: &RecipeSigners,
) -> Result<Signed, Error> {
    let mut allowed = tempfile::NamedTempFile::new().map_err(of_file)?;
    allowed.write_all(signers.text.as_bytes()).map_err(of_file)?;
    let look = Look { repository, allowed: allowed.path() };
    let (version, found) = match by {
        By::Tag(tag) => (tag.to_owned(), look.tag(tag, commit)?),
        By::Commit => (commit.to_owned(), look.commit(commit)?),
    };
    found.or_else(|why| {
        let mut newest = None;
        for tag in newest_first(repository.refs.tags()) {
            let Some(commit) = repository.commit(&format!("refs/tags/{tag}")) else { continue };
            if look.tag(&tag, &commit)?.is_ok() {
                newest = Some(tag);
                break;
            }
        }
        let (recipe, signers) = (recipe.clone(), signers.name.clone());
        Err(Error::Unsigned(Box::new(Unsigned { recipe, version, why, signers, newest })))
    })
}

fn of_file(source: std::io::Error) -> Error {
    Error::Io { path: "a temporary file".into(), source }
}

struct Look<'a> {
    repository: &'a Repository,
    allowed: &'a std::path::Path,
}

impl Look<'_> {
    fn tag(&self, tag: &str, commit: &str) -> Result<Result<Signed, Untrusted>, Error> {
        let Some(id) = self.repository.refs.all.get(&format!("refs/tags/{tag}")) else {
            return Ok(Err(Untrusted::Lightweight));
        };
        if self.object("-t", id)?.trim() != "tag" {
            return Ok(Err(Untrusted::Lightweight));
        }
        let text = self.object("-p", id)?;
        let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        if let Err(why) = kind(message) {
            return Ok(Err(why));
        }
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let (named, of) = (header("tag").unwrap_or_default(), header("object"));
        if named != tag {
            return Ok(Err(Untrusted::Renamed { named: text::line_of(named, 100).into_owned() }));
        }
        if header("type") != Some("commit") || of != Some(commit) {
            return Ok(Err(Untrusted::NoCommit));
        }
        self.verify("verify-tag", id)
    }

    /// A commit that is signed itself, or to which a signed tag leads.
    fn commit(&self, commit: &str) -> Result<Result<Signed, Untrusted>, Error> {
        for tag in self.repository.tags_at(commit)?.lines() {
            if let Ok(signed) = self.tag(tag, commit)? {
                return Ok(Ok(signed));
            }
        }
        let text = self.object("-p", commit)?;
        let (head, _) = text.split_once("\n\n").unwrap_or((&text, ""));
        match kind(head) {
            Ok(()) => self.verify("verify-commit", commit),
            Err(why) => Ok(Err(why)),
        }
    }

    fn object(&self, what: &str, id: &str) -> Result<String, Error> {
        let mut cat = local(self.repository.path());
        cat.args(["cat-file", what, id]);
        git::run(cat, "looking for the signature of a version", LOCAL)
    }

    fn verify(&self, how: &str, id: &str) -> Result<Result<Signed, Untrusted>, Error> {
        let mut allowed = std::ffi::OsString::from("gpg.ssh.allowedSignersFile=");
        allowed.push(self.allowed);
        let mut verify = local(self.repository.path());
        verify
            .args(["-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen", "-c"])
            .arg(allowed);
        // A text that is signed twice starts no other program.
        for other in ["gpg.program", "gpg.openpgp.program", "gpg.x509.program"] {
            verify.arg("-c").arg(format!("{other}=/dev/null"));
        }
        verify.args(["-c", "gpg.minTrustLevel=fully"]);
        verify.args([how, "--raw", id]);
        let (is_good, said) = git::said(verify, "checking the signature of a version", LOCAL)?;
        Ok(read(is_good, &said))
    }
}

/// Whether a text has a signature that ssh-keygen knows.
fn kind(text: &str) -> Result<(), Untrusted> {
    let begins = |line: &str, with: &str| line.trim_start_matches("gpgsig ").starts_with(with);
    if text.lines().any(|line| OTHER.iter().any(|other| begins(line, other))) {
        return Err(Untrusted::OtherKind);
    }
    match text.lines().any(|line| begins(line, HEADER)) {
        true => Ok(()),
        false => Err(Untrusted::Unsigned),
    }
}

/// `Good "git" signature for anna@example.org with ED25519 key SHA256:…`; without `for …`
/// where the key is nobody's.
fn read(is_good: bool, said: &str) -> Result<Signed, Untrusted> {
    let good = said.lines().find_map(|line| line.strip_prefix("Good \"git\" signature"));
    let parts = good.and_then(|line| line.rsplit_once("with ")?.1.split_once(" key "));
    let key = parts.map(|(kind, print)| format!("{kind} {}", print.trim()));
    let by = good
        .and_then(|line| line.strip_prefix(" for ")?.rsplit_once(" with "))
        .map(|(by, _)| text::line_of(by.trim(), 200).into_owned());
    match (is_good, by, key) {
        (true, Some(by), Some(key)) => Ok(Signed { by, key }),
        (_, None, Some(key)) => Err(Untrusted::Stranger { key }),
        _ => {
            let told = said.lines().map(str::trim).rfind(|line| !line.is_empty());
            let told = text::line_of(told.unwrap_or("git gives no reason"), 200).into_owned();
            Err(Untrusted::Wrong { told })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_from_the_file_is_a_signer() {
        let key = "ED25519 SHA256:abc";
        let good = "Good \"git\" signature for anna@example.org with ED25519 key SHA256:abc\n";
        let signed = Signed { by: "anna@example.org".into(), key: key.into() };
        assert_eq!(read(true, good), Ok(signed));
        let nobody = "Good \"git\" signature with ED25519 key SHA256:abc\nNo principal matched.\n";
        for is_good in [true, false] {
            assert_eq!(read(is_good, nobody), Err(Untrusted::Stranger { key: key.into() }));
        }
        for (is_good, said) in [(false, good), (true, ""), (false, "Could not verify signature.")] {
            assert!(matches!(read(is_good, said), Err(Untrusted::Wrong { .. })), "{said:?}");
        }
    }

    #[test]
    fn signatures_of_other_programs_are_not_given_to_them() {
        let ssh = "notes\n-----BEGIN SSH SIGNATURE-----\n";
        assert_eq!(kind(ssh), Ok(()));
        assert_eq!(kind("gpgsig -----BEGIN SSH SIGNATURE-----"), Ok(()));
        assert_eq!(kind("notes"), Err(Untrusted::Unsigned));
        for other in ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"] {
            assert_eq!(kind(&format!("{ssh}{other}")), Err(Untrusted::OtherKind));
            assert_eq!(kind(&format!("gpgsig {other}")), Err(Untrusted::OtherKind));
        }
    }
}
