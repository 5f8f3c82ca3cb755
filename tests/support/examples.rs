//! Example recipes with a release before, so that a test of them upgrades for real: their history
//! is that of potluck, which has no tags of theirs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use potluck::recipe::author::{set_version, version};

use super::signing::git;

/// The tag that images have in the release before.
pub const BEFORE: &str = "before";

/// A copy of an example below this folder, as a repository whose release before has an older
/// version and other images: each `image:` of it has the tag [`BEFORE`]. `settings` have the
/// images that the example leaves to them, `IMAGE=…`. Its files are those of the example, not
/// committed.
pub fn with_release_before(folder: &Path, example: &str, settings: &[&str]) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples").join(example);
    let place = folder.join(example);
    copy(&from, &place);
    let compose = fs::read_to_string(place.join("compose.yml")).unwrap();
    let label = version(&compose).unwrap().unwrap();
    let (_, upstream) = label.split_once('+').unwrap();
    let older = format!("0.0.1+{upstream}");
    fs::write(place.join("compose.yml"), set_version(&compose, &older).unwrap()).unwrap();
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yml") {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, with_other_images(&text, settings)).unwrap();
        }
    }
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    // Built plugins are ignored here, and part of a release.
    git(&place, &["add", "--all", "--force"]);
    git(&place, &["commit", "--quiet", "-m", "the release before"]);
    git(&place, &["tag", &older]);
    copy(&from, &place);
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let copied = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status();
    assert!(copied.unwrap().success());
}

/// Each line `image: NAME:TAG`, also as a setting's default, with the tag [`BEFORE`].
fn with_other_images(text: &str, settings: &[&str]) -> String {
    let line = |line: &str| {
        let Some((before, image)) = line.split_once("image: ") else { return line.to_owned() };
        let set =
            |key: &str| settings.iter().find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
        let variable = image.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let image = match variable.map(|it| it.split_once(":-").unwrap_or((it, ""))) {
            Some((key, "")) => set(key).unwrap_or("registry.example.org/app:1"),
            Some((_, default)) => default,
            None => image,
        };
        let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
        format!("{before}image: {name}:{BEFORE}")
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    lines.join("\n") + "\n"
}

/// Gives test images the tag of the release before, too.
pub fn tag_before(images: &[&str]) {
    for image in images {
        let (name, _) = image.split_once(':').unwrap();
        let (is, other) =
            (format!("potluck-test/{image}"), format!("potluck-test/{name}:{BEFORE}"));
        let tagged = Command::new("docker").args(["tag", &is, &other]).status().unwrap();
        assert!(tagged.success(), "{is}");
    }
}

/// The level that an example's README says it has on a server, `simulated` or `real`.
pub fn documented(example: &str, server: &str) -> Option<u64> {
    let path = format!("recipes-examples/{example}/README.md");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("* **Level**: "))?;
    let of = line.split(", ").find_map(|part| part.strip_suffix(&format!(" ({server})")))?;
    Some(of.parse().unwrap())
}

/// The examples, sorted.
pub fn all() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples");
    let mut all: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|example| example.unwrap())
        .filter(|example| example.path().is_dir())
        .map(|example| example.file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}
