//! Where the tags of a recipe's images are written: in compose files, in the defaults of their
//! variables, and in the sample of settings. Each such place is a [`Spot`]: what is written
//! there counts for every service that uses it.

use std::collections::BTreeMap;

use super::{
    edit::{Unedited, images, set_image},
    reference::Reference,
};
use crate::{
    compose::variables::{Piece, default_of, pieces, substitute},
    home::{EnvFile, ParseError},
    recipe::SAMPLE,
};

/// Bytes of an image with its variables filled in; no reference is as long.
const LONGEST: usize = 4096;

/// The texts of a recipe that name images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// By the names of the files, which are in the folder itself.
    pub compose: BTreeMap<String, String>,
    pub sample: Option<String>,
}

/// Why the spots of a recipe are unknown.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("{file}: {why}")]
    Compose { file: String, why: Unedited },
    #[error(transparent)]
    Sample(#[from] ParseError),
}

impl crate::hint::Hint for Unread {
    fn hint(&self) -> Option<String> {
        match self {
            Unread::Compose { file, .. } => Some(format!("correct {file}")),
            Unread::Sample(error) => error.hint(),
        }
    }
}

/// Why a tag was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    #[error("{file}: {why}")]
    Compose { file: String, why: Unedited },
    #[error(transparent)]
    Sample(#[from] ParseError),
    #[error("`{0}` cannot be written there: what follows its variable is in the way")]
    Surrounded(String),
    #[error("its services need different values of `{0}`")]
    Disagree(String),
}

/// One place where a tag is written, with the services that use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file that it is in.
    pub file: String,
    /// The variable whose value it is, or whose default.
    pub variable: Option<String>,
    /// At least one.
    pub uses: Vec<Use>,
}

/// A service that uses the tag of a spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The compose file.
    pub file: String,
    pub service: String,
    /// With variables filled in, as the sample and the defaults say.
    pub image: Reference,
    /// Whether it is what operators get that leave out a setting of the sample.
    pub is_beside: bool,
    /// As the compose file writes it.
    raw: String,
    /// What is before and behind the value in the image.
    around: (String, String),
    /// The same in the compose file, where the value is written there, too.
    in_file: Option<(String, String)>,
}

/// All spots of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spots {
    pub spots: Vec<Spot>,
    /// Images whose tags cannot be changed at one place, as sentences.
    pub left_out: Vec<String>,
}

/// What tells spots apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Sample(String),
    /// File, image as it is written, variable.
    File(String, String, Option<String>),
}

impl Texts {
    /// Every place where a tag is written, in the order of files and services.
    ///
    /// # Errors
    /// [`Unread`] for texts that are not compose files or settings.
    pub fn spots(&self) -> Result<Spots, Unread> {
        let sample = EnvFile::parse(SAMPLE, self.sample.as_deref().unwrap_or_default())?;
        let mut all: Vec<(Key, Spot)> = Vec::new();
        let mut left_out = Vec::new();
        for (file, text) in &self.compose {
            let failed = |why| Unread::Compose { file: file.clone(), why };
            for (service, raw) in images(text).map_err(failed)? {
                match Found::of(&raw, &sample) {
                    Found::Spots(found) => {
                        for (place, part) in found {
                            add(&mut all, place, file, &service, &raw, part);
                        }
                    }
                    Found::LeftOut(why) => {
                        left_out.push(format!("{file}: the image of `{service}`, `{raw}`: {why}"));
                    }
                    Found::None => {}
                }
            }
        }
        Ok(Spots { spots: all.into_iter().map(|(_, spot)| spot).collect(), left_out })
    }

    /// The file that has the recipe's version.
    pub fn main(&self) -> Option<(&str, &str)> {
        let main = ["compose.yml", "compose.yaml"].into_iter();
        main.filter_map(|name| self.compose.get_key_value(name))
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .next()
    }

    /// The tag of the image of the service `app`, which a version has behind its `+`.
    ///
    /// # Errors
    /// As [`Texts::spots`].
    pub fn upstream(&self) -> Result<Option<String>, Unread> {
        let main = self.main().map(|(name, _)| name.to_owned());
        let spots = self.spots()?.spots;
        let mut uses = spots.into_iter().flat_map(|spot| spot.uses);
        let is_main = |it: &Use| it.service == "app" && Some(&it.file) == main.as_ref();
        Ok(uses.find(is_main).map(|it| it.image.tag))
    }

    /// The texts with another image at a spot: for each of its uses, one.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub fn with(&self, spot: &Spot, images: &[Reference]) -> Result<Texts, Unwritten> {
        let mut texts = self.clone();
        let mut value: Option<String> = None;
        for (it, image) in spot.uses.iter().zip(images) {
            let own = it.value(image).ok_or_else(|| Unwritten::Surrounded(image.version()))?;
            if value.as_ref().is_some_and(|value| *value != own) {
                let variable = spot.variable.clone().unwrap_or_default();
                return Err(Unwritten::Disagree(variable));
            }
            value = Some(own);
        }
        let Some(value) = value else { return Ok(texts) };
        if spot.file == SAMPLE
            && let (Some(text), Some(variable)) = (&texts.sample, &spot.variable)
        {
            let mut sample = EnvFile::parse(SAMPLE, text)?;
            sample.set(variable, &value)?;
            texts.sample = Some(sample.to_text());
        }
        let mut done: Vec<(&str, &str)> = Vec::new();
        for it in &spot.uses {
            let Some((before, behind)) = &it.in_file else { continue };
            if done.contains(&(it.file.as_str(), it.raw.as_str())) {
                continue;
            }
            done.push((&it.file, &it.raw));
            let Some(text) = texts.compose.get_mut(&it.file) else { continue };
            let failed = |why| Unwritten::Compose { file: it.file.clone(), why };
            let after = format!("{before}{value}{behind}");
            *text = set_image(text, &it.raw, &after).map_err(failed)?;
        }
        Ok(texts)
    }
}

impl Use {
    /// Whether it is the same service at the same place, with whichever image.
    pub fn is_same(&self, other: &Use) -> bool {
        let place = |it: &Use| (it.file.clone(), it.service.clone(), it.is_beside);
        place(self) == place(other)
    }

    /// What has to be written for an image; none where that cannot be said there.
    pub fn value(&self, image: &Reference) -> Option<String> {
        let (before, behind) = &self.around;
        let written = image.written();
        let value = written.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())?;
        (!value.is_empty()).then(|| value.to_owned())
    }
}

fn add(all: &mut Vec<(Key, Spot)>, place: Place, file: &str, service: &str, raw: &str, part: Part) {
    let (key, at, variable) = match place {
        Place::Sample(name) => (Key::Sample(name.clone()), SAMPLE, Some(name)),
        Place::Default(name) => {
            let name = Some(name);
            (Key::File(file.to_owned(), raw.to_owned(), name.clone()), file, name)
        }
        Place::Here => (Key::File(file.to_owned(), raw.to_owned(), None), file, None),
    };
    let it = Use {
        file: file.to_owned(),
        service: service.to_owned(),
        image: part.image,
        is_beside: part.is_beside,
        raw: raw.to_owned(),
        around: part.around,
        in_file: part.in_file,
    };
    match all.iter_mut().find(|(other, _)| *other == key) {
        Some((_, spot)) => spot.uses.push(it),
        None => all.push((key, Spot { file: at.to_owned(), variable, uses: vec![it] })),
    }
}

/// Where the value is that has the tag.
enum Place {
    /// In the image as it is written.
    Here,
    /// In the default of a variable there.
    Default(String),
    /// In the sample.
    Sample(String),
}

struct Part {
    image: Reference,
    is_beside: bool,
    around: (String, String),
    in_file: Option<(String, String)>,
}

enum Found {
    /// One; two where sample and default differ.
    Spots(Vec<(Place, Part)>),
    /// Why the tag has no place of its own.
    LeftOut(String),
    /// It is not an image with a tag.
    None,
}

/// A piece of an image as it is written, and its text where variables are filled in.
struct Filled<'a> {
    piece: Piece<'a>,
    text: String,
}

impl Found {
    fn of(raw: &str, sample: &EnvFile) -> Found {
        let lookup = |name: &str| sample.get(name).map(str::to_owned);
        let mut all = Vec::new();
        for piece in pieces(raw) {
            let text = match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Variable { written, .. } => {
                    let filled = substitute(written, &lookup, &mut Vec::new(), &mut { LONGEST });
                    let Ok(text) = filled else { return Found::None };
                    text
                }
                Piece::Malformed(_) => return Found::None,
            };
            all.push(Filled { piece, text });
        }
        let whole: String = all.iter().map(|it| it.text.as_str()).collect();
        let Some(image) = Reference::parse(&whole) else { return Found::None };
        let tag_at = whole.len() - image.version().len();
        let mut end = 0;
        let mut in_tag = Vec::new();
        for (index, it) in all.iter().enumerate() {
            end += it.text.len();
            if end > tag_at && matches!(it.piece, Piece::Variable { .. }) {
                in_tag.push(index);
            }
        }
        match in_tag[..] {
            [] => {
                let version = image.version();
                let written = raw.strip_suffix(&version).unwrap_or(raw).to_owned();
                let around = (whole[..tag_at].to_owned(), String::new());
                let in_file = Some((written, String::new()));
                let part = Part { image, is_beside: false, around, in_file };
                Found::Spots(vec![(Place::Here, part)])
            }
            [index] => variable(raw, &all, index, image, sample),
            _ => Found::LeftOut("its tag is built from several variables".into()),
        }
    }
}

/// The spots of an image whose tag is, or is in, the value of one variable.
fn variable(
    raw: &str,
    all: &[Filled<'_>],
    index: usize,
    image: Reference,
    sample: &EnvFile,
) -> Found {
    let Piece::Variable { written, expression } = all[index].piece else { return Found::None };
    let text = |part: &[Filled<'_>]| part.iter().map(|it| it.text.as_str()).collect::<String>();
    let around = (text(&all[..index]), text(&all[index + 1..]));
    let (name, default) = match default_of(expression) {
        Some((name, default)) => (name, Some(default)),
        None => (expression.split([':', '?']).next().unwrap_or(expression), None),
    };
    // Of the text as it is written, what is before and behind the default.
    let at = written.as_ptr() as usize - raw.as_ptr() as usize;
    let in_file = default.map(|default| {
        let begins = at + written.len() - usize::from(written.ends_with('}')) - default.len();
        (raw[..begins].to_owned(), raw[begins + default.len()..].to_owned())
    });
    let own = sample.get(name).filter(|value| !value.is_empty());
    let Some(own) = own else {
        return match in_file {
            Some(_) => {
                let part = Part { image, is_beside: false, around, in_file };
                Found::Spots(vec![(Place::Default(name.into()), part)])
            }
            None => Found::None,
        };
    };
    if sample.refers(name) {
        return Found::LeftOut(format!("`{name}` in {SAMPLE} refers to other settings"));
    }
    let is_same = default == Some(own);
    let shared = in_file.clone().filter(|_| is_same);
    let part = Part { image, is_beside: false, around: around.clone(), in_file: shared };
    let mut spots = vec![(Place::Sample(name.into()), part)];
    // Who leaves the setting out gets the default: it is a spot of its own.
    if let Some(default) = default.filter(|_| !is_same)
        && let Some(image) = Reference::parse(&format!("{}{default}{}", around.0, around.1))
    {
        let part = Part { image, is_beside: true, around, in_file };
        spots.push((Place::Default(name.into()), part));
    }
    Found::Spots(spots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(images: &[(&str, &str)], sample: &str) -> Texts {
        let mut text = "services:\n".to_owned();
        for (service, image) in images {
            text += &format!("  {service}:\n    # of {service}\n    image: \"{image}\" # kept\n");
        }
        Texts {
            compose: BTreeMap::from([("compose.yml".to_owned(), text)]),
            sample: Some(sample.to_owned()),
        }
    }

    /// File, variable, services and tag of each spot.
    fn seen(texts: &Texts) -> Vec<String> {
        let shown = |spot: &Spot| {
            let uses: Vec<_> = spot
                .uses
                .iter()
                .map(|it| format!("{}={}:{}", it.service, it.image.name, it.image.tag))
                .collect();
            let variable = spot.variable.as_deref().unwrap_or("-");
            format!("{} {variable} {}", spot.file, uses.join(","))
        };
        texts.spots().unwrap().spots.iter().map(shown).collect()
    }

    fn raised(texts: &Texts, tag: &str) -> Texts {
        let spots = texts.spots().unwrap().spots;
        spots.iter().fold(texts.clone(), |texts, spot| {
            let images: Vec<_> =
                spot.uses.iter().map(|it| it.image.with(tag, it.image.digest.as_deref())).collect();
            texts.with(spot, &images).unwrap()
        })
    }

    #[test]
    fn a_tag_is_found_and_written_where_it_is() {
        for (image, sample, spot, new_image, new_sample) in [
            ("nginx:1.27", "A=1\n", "compose.yml - app=nginx:1.27", "nginx:1.28", "A=1\n"),
            (
                "nginx:${V:-1.27}",
                "A=1\n",
                "compose.yml V app=nginx:1.27",
                "nginx:${V:-1.28}",
                "A=1\n",
            ),
            (
                "nginx:${V:-1.27}",
                "#V=1.20\n",
                "compose.yml V app=nginx:1.27",
                "nginx:${V:-1.28}",
                "#V=1.20\n",
            ),
            (
                "nginx:${V}",
                "# n\nV='1.27' # kept\n",
                ".env.sample V app=nginx:1.27",
                "nginx:${V}",
                "# n\nV='1.28' # kept\n",
            ),
            (
                "nginx:${V:?set it}",
                "V=1.27\n",
                ".env.sample V app=nginx:1.27",
                "nginx:${V:?set it}",
                "V=1.28\n",
            ),
            (
                "nginx:${V:-1.27}",
                "V=1.27\n",
                ".env.sample V app=nginx:1.27",
                "nginx:${V:-1.28}",
                "V=1.28\n",
            ),
            (
                "${IMAGE:-ghcr.io/a/b:1.27}",
                "",
                "compose.yml IMAGE app=ghcr.io/a/b:1.27",
                "${IMAGE:-ghcr.io/a/b:1.28}",
                "",
            ),
            (
                "${REGISTRY:-ghcr.io}/a/b:1.27",
                "REGISTRY=r.example\n",
                "compose.yml - app=r.example/a/b:1.27",
                "${REGISTRY:-ghcr.io}/a/b:1.28",
                "REGISTRY=r.example\n",
            ),
            // docker's grammar: the operator works without braces, too.
            ("a:$V-1.27", "", "compose.yml V app=a:1.27", "a:$V-1.28", ""),
        ] {
            let before = texts(&[("app", image)], sample);
            assert_eq!(seen(&before), [spot], "{image}");
            let after = raised(&before, "1.28");
            assert_eq!(after, texts(&[("app", new_image)], new_sample), "{image}");
            assert_eq!(after.upstream().unwrap().as_deref(), Some("1.28"), "{image}");
        }
    }

    #[test]
    fn a_variable_may_be_a_part_of_the_tag() {
        let before = texts(&[("app", "nginx:${V}-alpine")], "V=1.27\n");
        assert_eq!(seen(&before), [".env.sample V app=nginx:1.27-alpine"]);
        let after = raised(&before, "1.28-alpine");
        assert_eq!(after.sample.as_deref(), Some("V=1.28\n"));
        let spot = &before.spots().unwrap().spots[0];
        let other = spot.uses[0].image.with("1.28-slim", None);
        assert_eq!(before.with(spot, &[other]), Err(Unwritten::Surrounded("1.28-slim".into())));
    }

    #[test]
    fn a_default_that_differs_from_the_sample_is_a_spot_of_its_own() {
        let before = texts(&[("app", "nginx:${V:-1.27}")], "V=1.27.1\n");
        let spots = [".env.sample V app=nginx:1.27.1", "compose.yml V app=nginx:1.27"];
        assert_eq!(seen(&before), spots);
        let after = raised(&before, "2");
        assert_eq!(after, texts(&[("app", "nginx:${V:-2}")], "V=2\n"));
    }

    #[test]
    fn services_that_share_a_variable_have_to_agree() {
        let images = [("app", "a:${V}"), ("worker", "b:${V}-fpm"), ("db", "c:1"), ("copy", "c:1")];
        let before = texts(&images, "V=1.0\n");
        let spots = [".env.sample V app=a:1.0,worker=b:1.0-fpm", "compose.yml - db=c:1,copy=c:1"];
        assert_eq!(seen(&before), spots);
        let spot = &before.spots().unwrap().spots[0];
        let to =
            |a: &str, b: &str| [spot.uses[0].image.with(a, None), spot.uses[1].image.with(b, None)];
        let after = before.with(spot, &to("1.1", "1.1-fpm")).unwrap();
        assert_eq!(after.sample.as_deref(), Some("V=1.1\n"));
        let differ = before.with(spot, &to("1.1", "1.2-fpm"));
        assert_eq!(differ, Err(Unwritten::Disagree("V".into())));
    }

    #[test]
    fn what_cannot_be_changed_at_one_place_is_said() {
        for (image, sample, why) in [
            ("a:${V}.${W}", "V=1\nW=2\n", "its tag is built from several variables"),
            ("a:${V}", "W=2\nV=1.$W\n", "`V` in .env.sample refers to other settings"),
        ] {
            let found = texts(&[("app", image)], sample).spots().unwrap();
            assert_eq!(found.spots, []);
            let said = format!("compose.yml: the image of `app`, `{image}`: {why}");
            assert_eq!(found.left_out, [said]);
        }
        // Without a tag there is nothing to compare.
        for (image, sample) in [("a:${V}", ""), ("a", ""), ("a:${V", "V=1\n"), ("a:${V:?x}", "")] {
            assert_eq!(texts(&[("app", image)], sample).spots().unwrap(), Spots::default());
        }
        assert!(matches!(texts(&[("app", "a:1")], "=\n").spots(), Err(Unread::Sample(_))));
    }

    #[test]
    fn a_digest_is_written_with_its_tag() {
        let digest = |c: &str| format!("sha256:{}", c.repeat(64));
        let (old, new) = (digest("a"), digest("b"));
        let before = texts(&[("app", &format!("a:${{V:-1@{old}}}"))], "");
        let spot = &before.spots().unwrap().spots[0];
        let after = before.with(spot, &[spot.uses[0].image.with("2", Some(&new))]).unwrap();
        assert_eq!(after, texts(&[("app", &format!("a:${{V:-2@{new}}}"))], ""));
    }
}
