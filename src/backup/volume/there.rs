//! A volume seen through a helper container.
//!
//! The same checks as on a folder of this machine, made by small scripts there. A link that
//! a container of the app makes leads at most into the helper itself, which holds nothing of
//! its node. A restore is written beside the volume's data, too, and takes its place in two
//! renames (one, where the image's `mv` can exchange): an interruption between them leaves
//! the previous content beside, and the next restore puts it back first.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;

use super::{
    LARGEST_PROVED,
    beneath::ASIDE,
    excluded_below,
    helper::{Container, Input, Ran},
    relative,
    staged::{PREFIX, outermost},
    view::View,
};
use crate::{
    backup::{
        error::Error,
        set::{SetId, manifest::VolumeFacts, proof::Proof},
    },
    engine::{ExecSession, Stream},
};

/// How long a script may take that only looks.
const LOOK: Duration = Duration::from_secs(120);
/// Removing or syncing a large volume.
const CHANGE: Duration = Duration::from_secs(6 * 60 * 60);

/// Prints owner, group and mode of the volume, whether anything is in it, and what each
/// path is; links are not followed.
const SEE: &str = r#"cd "$1" && shift && stat -c '%u %g %a' . &&
{ if [ -n "$(ls -A . | head -n 1)" ]; then echo full; else echo empty; fi; } &&
for path; do
  if [ -L "$path" ]; then echo link; elif [ -d "$path" ]; then echo folder
  elif [ -f "$path" ]; then echo file; elif [ -e "$path" ]; then echo other
  else echo missing; fi
done"#;

/// Prints the size of a plain file, a line, and its first bytes.
const READ: &str = r#"cd "$1" && stat -c '%s' "$2" && head -c "$3" "$2""#;

/// A fresh folder beside the data; what interrupted restores left is removed and printed.
const STAGE: &str = r#"cd "$1" || exit 3
if [ ! -e _data ] && [ -d "$4" ]; then mv -T "$4" _data || exit 4; fi
for left in "$3"*; do
  [ -e "$left" ] || continue
  rm -rf "$left" || exit 5
  echo "$left"
done
mkdir -m 700 "$2""#;

/// Owner, group and mode of a folder that replaces the data, and everything on disk.
const OWN: &str = r#"cd "$1" && chown "$3" "$2" && chmod "$4" "$2" && sync"#;

/// The new folder and the data change places.
const SWAP: &str = r#"cd "$1" || exit 3
mv --exchange -T "$2" _data 2>/dev/null && exit 0
mv -T _data "$3" || exit 4
mv -T "$2" _data || { mv -T "$3" _data; exit 5; }
mv -T "$3" "$2""#;

/// Some paths of the new folder take their places: what was there goes beside, numbered.
/// Prints how many are done; a failure undoes nothing.
const PLACE: &str = r#"cd "$1" || exit 3
new=$2 old=$2.old n=0
shift 2
mkdir -m 700 "$old" && sync || exit 4
for path; do
  at= rest=$path
  while [ "$rest" != "${rest#*/}" ]; do
    at=$at${rest%%/*} rest=${rest#*/}
    if [ ! -e "_data/$at" ]; then
      mkdir "_data/$at" && chown "$(stat -c %u:%g "$new/$at")" "_data/$at" &&
        chmod "$(stat -c %a "$new/$at")" "_data/$at" || exit 5
    fi
    at=$at/
  done
  n=$((n+1))
  if [ -e "_data/$path" ] || [ -L "_data/$path" ]; then mv -T "_data/$path" "$old/$n" || exit 6; fi
  mv -T "$new/$path" "_data/$path" || exit 7
done"#;

/// The reverse of it, as far as it came.
const UNPLACE: &str = r#"cd "$1" || exit 3
new=$2 old=$2.old n=0 failed=0
shift 2
for path; do
  n=$((n+1))
  if [ ! -e "$new/$path" ] && [ ! -L "$new/$path" ]; then
    mv -T "_data/$path" "$new/$path" || failed=1
  fi
  if [ -e "$old/$n" ] || [ -L "$old/$n" ]; then mv -T "$old/$n" "_data/$path" || failed=1; fi
done
exit $failed"#;

const REMOVE: &str = r#"cd "$1" && rm -rf "$2" "$2.old""#;

/// A volume in a helper container.
#[derive(Debug, Clone)]
pub(crate) struct There {
    container: Arc<Container>,
    volume: String,
    /// Where its data is, there and on its node.
    data: PathBuf,
}

/// What a path is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Missing,
    Folder,
    Other(&'static str),
}

/// What is in the volume.
struct Seen {
    owner: (u32, u32, u32),
    empty: bool,
    found: Vec<Found>,
}

impl There {
    pub fn new(container: Container, volume: &str, data: &Path) -> Self {
        let container = Arc::new(container);
        There { container, volume: volume.to_owned(), data: data.to_owned() }
    }

    pub fn volume(&self) -> &str {
        &self.volume
    }

    fn home(&self) -> String {
        text(self.data.parent().unwrap_or(&self.data))
    }

    fn bad(&self, verb: &'static str, reason: impl ToString) -> Error {
        Error::Volume { volume: self.volume.clone(), verb, reason: reason.to_string() }
    }

    async fn see(&self, paths: &[String], verb: &'static str) -> Result<Seen, Error> {
        let mut arguments = vec![text(&self.data)];
        arguments.extend(paths.iter().map(|path| format!("./{path}")));
        let ran = self.container.run(SEE, &arguments, None, LOOK).await?;
        seen(&ran, paths.len())
            .ok_or_else(|| self.bad(verb, self.container.odd("the helper did not see it", &ran)))
    }

    /// As [`super::Folder::check`].
    pub async fn check(&self, paths: &[String]) -> Result<VolumeFacts, Error> {
        let steps = Steps::of(paths).map_err(|reason| self.bad("read", reason))?;
        let seen = self.see(&steps.all, "read").await?;
        if let Some(missing) = steps.missing(&seen.found) {
            return Err(self.bad("read", format!("`{missing}` does not exist in it")));
        }
        if let Some((path, at, what)) = steps.obstacle(&seen.found) {
            return Err(self.bad(
                "read",
                format!("`{path}` leads through something that is not a folder: `{at}` is {what}"),
            ));
        }
        let (uid, gid, mode) = seen.owner;
        Ok(VolumeFacts { name: self.volume.clone(), uid, gid, mode, paths: paths.to_vec() })
    }

    /// As [`super::Folder::check_places`].
    pub async fn check_places(&self, facts: &VolumeFacts) -> Result<(), Error> {
        let steps = Steps::of(&facts.paths).map_err(|reason| self.bad("restored", reason))?;
        let seen = self.see(&steps.all, "restored").await?;
        match steps.obstacle(&seen.found) {
            None => Ok(()),
            Some((path, at, what)) => Err(Error::Misplaced {
                volume: self.volume.clone(),
                path: path.to_owned(),
                at: at.to_owned(),
                what,
            }),
        }
    }

    /// As [`super::Folder::is_empty`].
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.see(&[], "read").await?.empty)
    }

    /// As [`super::Folder::unproved`].
    pub async fn unproved(&self, paths: &[String]) -> Result<Vec<(String, String)>, Error> {
        let mut doubts = Vec::new();
        let seen = self.see(paths, "read").await?;
        for (path, found) in paths.iter().zip(seen.found) {
            if found != Found::Other(FILE) {
                continue;
            }
            if self.container.is_by_jobs() {
                let reason = "a swarm job saves it, through which it is not read twice";
                doubts.push((path.clone(), reason.to_owned()));
            } else if let Some(doubt) = self.doubt(path).await? {
                doubts.push((path.clone(), doubt));
            }
        }
        Ok(doubts)
    }

    async fn doubt(&self, path: &str) -> Result<Option<String>, Error> {
        let arguments = [text(&self.data), format!("./{path}"), (LARGEST_PROVED + 1).to_string()];
        let session = self.container.session(READ, &arguments, None, Input::None).await?;
        let ExecSession { mut output, exit_code, .. } = session;
        let (mut proof, mut first) = (Proof::default(), Some(Vec::new()));
        let mut read = 0;
        while let Some(chunk) = output.next().await {
            let chunk = chunk?;
            if chunk.stream != Stream::Stdout {
                continue;
            }
            // The size comes first, and nothing is done with it but to pass it.
            let bytes = match first.take() {
                None => chunk.bytes.to_vec(),
                Some(mut line) => {
                    line.extend_from_slice(&chunk.bytes);
                    match line.iter().position(|b| *b == b'\n') {
                        Some(end) => line.split_off(end + 1),
                        None => {
                            first = Some(line);
                            continue;
                        }
                    }
                }
            };
            read += bytes.len() as u64;
            // Of one that is too large only the beginning counts.
            if read <= LARGEST_PROVED {
                proof.push(&bytes);
            }
        }
        if exit_code.await? != 0 {
            return Ok(Some("it cannot be read".into()));
        }
        Ok(match proof.doubt(path) {
            Some(doubt) => Some(doubt),
            None if read > LARGEST_PROVED => proof.end_of_beginning(path).err(),
            None => proof.end_of_file(path).err(),
        })
    }

    pub fn exclude(&self, patterns: &[String]) -> Vec<std::ffi::OsString> {
        excluded_below(&self.data, patterns)
    }

    pub fn view(&self) -> View {
        View::there(Arc::clone(&self.container), self.data.clone(), &self.volume)
    }

    /// As [`super::Folder::stage`].
    pub async fn stage(&self, set: &SetId) -> Result<StagedThere, Error> {
        let name = format!("{PREFIX}{set}");
        let arguments = [self.home(), name.clone(), PREFIX.to_owned(), ASIDE.to_owned()];
        let ran = self.container.run(STAGE, &arguments, None, CHANGE).await?;
        if ran.code != 0 {
            return Err(self.bad("restored", self.container.odd("no place was made", &ran)));
        }
        let home = PathBuf::from(self.home());
        let swept = ran.stdout.lines().map(|left| home.join(left)).collect();
        Ok(StagedThere { there: self.clone(), name, swept })
    }
}

/// What `SEE` calls a plain file.
const FILE: &str = "a file";

fn seen(ran: &Ran, paths: usize) -> Option<Seen> {
    let mut lines = ran.stdout.lines();
    let mut owner = lines.next()?.split(' ');
    let uid = owner.next()?.parse().ok()?;
    let gid = owner.next()?.parse().ok()?;
    let mode = u32::from_str_radix(owner.next()?, 8).ok()?;
    let empty = match lines.next()? {
        "empty" => true,
        "full" => false,
        _ => return None,
    };
    let found = lines.map(|line| {
        Some(match line {
            "missing" => Found::Missing,
            "folder" => Found::Folder,
            "file" => Found::Other(FILE),
            "link" => Found::Other("a symbolic link"),
            "other" => Found::Other("a special file"),
            _ => return None,
        })
    });
    let found: Vec<Found> = found.collect::<Option<_>>()?;
    (ran.code == 0 && found.len() == paths).then_some(Seen {
        owner: (uid, gid, mode & 0o7777),
        empty,
        found,
    })
}

/// All paths, and all folders on the way to them, in order.
struct Steps {
    paths: Vec<String>,
    all: Vec<String>,
    /// For each of all: the path that it leads to, and whether it is that path itself.
    of: Vec<(usize, bool)>,
}

impl Steps {
    fn of(paths: &[String]) -> Result<Self, String> {
        let mut steps = Steps { paths: paths.to_vec(), all: Vec::new(), of: Vec::new() };
        for (index, path) in paths.iter().enumerate() {
            let parts = relative(path)?;
            for end in 1..=parts.len() {
                steps.all.push(parts[..end].join("/"));
                steps.of.push((index, end == parts.len()));
            }
        }
        Ok(steps)
    }

    /// The first path that is missing, with nothing in its way.
    fn missing(&self, found: &[Found]) -> Option<&str> {
        let mut all = self.of.iter().zip(found);
        let ((index, _), _) = all.find(|(_, found)| **found == Found::Missing)?;
        let blocked = self.obstacle(found).is_some_and(|(path, ..)| *path == self.paths[*index]);
        (!blocked).then(|| self.paths[*index].as_str())
    }

    /// The first path that leads through something that is no folder, where, and what.
    fn obstacle(&self, found: &[Found]) -> Option<(&str, &str, &'static str)> {
        let all = self.of.iter().zip(&self.all).zip(found);
        all.into_iter().find_map(|(((index, is_last), at), found)| match found {
            Found::Other(what) if !is_last => {
                Some((self.paths[*index].as_str(), at.as_str(), *what))
            }
            _ => None,
        })
    }
}

/// A folder beside the volume's data, as [`super::Staged`].
#[derive(Debug)]
pub(crate) struct StagedThere {
    there: There,
    name: String,
    swept: Vec<PathBuf>,
}

impl StagedThere {
    pub fn view(&self) -> View {
        let There { container, volume, data } = &self.there;
        let path = data.parent().unwrap_or(data).join(&self.name);
        View::there(Arc::clone(container), path, volume)
    }

    pub fn swept(&self) -> &[PathBuf] {
        &self.swept
    }

    pub fn there(&self) -> &There {
        &self.there
    }

    async fn script(&self, script: &str, more: &[String]) -> Result<(), Error> {
        let mut arguments = vec![self.there.home(), self.name.clone()];
        arguments.extend_from_slice(more);
        let container = &self.there.container;
        let ran = container.run(script, &arguments, None, CHANGE).await?;
        match ran.code {
            0 => Ok(()),
            _ => Err(self.there.bad("restored", container.odd("the exchange failed", &ran))),
        }
    }

    /// Puts the new content into its place; the old content is then beside it.
    pub async fn swap(self, facts: &VolumeFacts) -> Result<SwappedThere, Error> {
        if facts.paths.is_empty() {
            let owner = format!("{}:{}", facts.uid, facts.gid);
            self.script(OWN, &[owner, format!("{:o}", facts.mode)]).await?;
            self.script(SWAP, &[ASIDE.to_owned()]).await?;
            return Ok(SwappedThere { staged: self, paths: Vec::new() });
        }
        let mut paths = Vec::new();
        for path in outermost(&facts.paths) {
            let parts = relative(path).map_err(|reason| self.there.bad("restored", reason))?;
            paths.push(parts.join("/"));
        }
        let placed = self.script(PLACE, &paths).await;
        let swapped = SwappedThere { staged: self, paths };
        match placed {
            Ok(()) => Ok(swapped),
            Err(error) => {
                swapped.undo().await?;
                Err(error)
            }
        }
    }
}

/// A volume that holds the new content, beside the old one.
#[derive(Debug)]
pub(crate) struct SwappedThere {
    staged: StagedThere,
    /// All of it where there are none.
    paths: Vec<String>,
}

impl SwappedThere {
    /// Puts the old content back.
    pub async fn undo(self) -> Result<(), Error> {
        if self.paths.is_empty() {
            self.staged.script(SWAP, &[ASIDE.to_owned()]).await?;
        } else {
            self.staged.script(UNPLACE, &self.paths).await?;
        }
        self.staged.script(REMOVE, &[]).await
    }

    /// Removes the old content.
    pub async fn finish(self) -> Result<(), Error> {
        self.staged.script(REMOVE, &[]).await
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(stdout: &str) -> Ran {
        Ran { code: 0, stdout: stdout.into(), stderr: String::new() }
    }

    #[test]
    fn what_the_helper_saw_is_read_exactly() {
        let seen = |text: &str, paths| super::seen(&ran(text), paths);
        let found = seen("33 34 2750\nfull\nfolder\nfile\n", 2).unwrap();
        assert_eq!((found.owner, found.empty), ((33, 34, 0o2750), false));
        assert_eq!(found.found, [Found::Folder, Found::Other(FILE)]);
        for odd in ["", "33 34 755\n", "x y z\nfull\n", "0 0 755\nfull\nwhat\n", "0 0 755\nempty\n"]
        {
            assert!(seen(odd, 1).is_none(), "{odd:?}");
        }
        assert!(super::seen(&Ran { code: 1, ..ran("0 0 755\nempty\n") }, 0).is_none());
    }

    #[test]
    fn a_path_is_walked_from_the_top() {
        let paths = ["a/b/c".to_owned(), "d".to_owned()];
        let steps = Steps::of(&paths).unwrap();
        assert_eq!(steps.all, ["a", "a/b", "a/b/c", "d"]);
        let (folder, file) = (Found::Folder, Found::Other(FILE));
        let all = [folder, folder, file, file];
        assert_eq!((steps.missing(&all), steps.obstacle(&all)), (None, None));
        let gone = [folder, Found::Missing, Found::Missing, file];
        assert_eq!(steps.missing(&gone), Some("a/b/c"));
        let blocked = [folder, Found::Other("a symbolic link"), Found::Missing, file];
        assert_eq!(steps.obstacle(&blocked), Some(("a/b/c", "a/b", "a symbolic link")));
        assert_eq!(steps.missing(&blocked), None);
        assert!(Steps::of(&["../x".to_owned()]).is_err());
    }
}
