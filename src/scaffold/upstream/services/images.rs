//! Images, with the tags that a recipe needs.

use crate::compose::{
    image::{Image, is_image},
    tree::{Map, Value},
};

use super::super::{draft::Service, log::Log, project::Project, read};

pub(super) fn images(
    service: &mut Service,
    image: Option<String>,
    map: &Map,
    project: &Project,
    log: &mut Log,
) {
    let key = service.key.clone();
    let at = |name: &str| map.get(name).and_then(|node| project.outline.line(node.at));
    let Some(image) = image.filter(|image| !image.is_empty()) else {
        service.comment.push("Decide: the image, which the upstream builds itself.".into());
        // A name that no registry has, so that the files can be read.
        service.image = Some(format!("example.invalid/{}:0", plain(&key)));
        let from = match map.get("build") {
            Some(node) => match &node.value {
                Value::Map(build) => read::text(build, "context").unwrap_or_else(|| ".".into()),
                _ => read::scalar(node).unwrap_or_default(),
            },
            None => String::new(),
        };
        log.decision(
            &key,
            at("build"),
            format!(
                "there is no image: the upstream builds it from `{from}`, which a swarm \
                     cannot do"
            ),
            format!(
                "build and publish it, and write its name and tag into `image` of `{key}` in \
                     compose.yml"
            ),
        );
        return;
    };
    if !is_image(&image) {
        service.comment.push("Decide: the image.".into());
        service.image = Some(format!("example.invalid/{}:0", plain(&key)));
        let written = read::text(map, "image").unwrap_or_default();
        log.decision(
            &key,
            at("image"),
            format!("the image `{written}` has variables without a value"),
            format!("write its name and tag into `image` of `{key}` in compose.yml"),
        );
        return;
    }
    if map.get("build").is_some() {
        log.change(
            &key,
            at("build"),
            "`build` was removed",
            "a swarm runs images only; the one named in `image` is used",
        );
    }
    if read::text(map, "image").is_some_and(|written| written != image) {
        log.change(
            &key,
            at("image"),
            format!("the image is `{image}`"),
            "a recipe names a version, which `recipe upgrade` and Renovate can raise, instead of \
             a variable",
        );
    }
    let pinned = Image::parse(&image).is_some_and(|it| {
        it.digest.is_some()
            || it.tag.as_deref().is_some_and(|tag| tag.contains(|c: char| c.is_ascii_digit()))
    });
    if !pinned {
        service.comment.push("Decide: the version of the image.".into());
        log.decision(
            &key,
            at("image"),
            format!(
                "the image `{image}` names no version: what runs depends on the day it was pulled"
            ),
            format!(
                "write a version behind `{}`, or let `potluck recipe upgrade` propose one",
                image.split(':').next().unwrap_or_default()
            ),
        );
    }
    service.image = Some(image);
}

fn plain(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.chars()
        .map(|c| if good(c) { c.to_ascii_lowercase() } else { '-' })
        .collect::<String>()
        .trim_matches('-')
        .to_owned()
}
