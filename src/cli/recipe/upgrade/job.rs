//! A place where a tag is written, and what becomes of it.

use jiff::Timestamp;

use crate::recipe::author::{Change, Choice, MajorStep, Reference, Spot};

/// At most as many tags as a person reads.
pub const SHOWN: usize = 10;

/// A spot on its way through the command.
pub struct Job {
    pub spot: Spot,
    /// All newer images, the newest first.
    pub offers: Vec<Choice>,
    /// The same tags with the digests that they have now, where these differ.
    pub rebuilt: Option<Choice>,
    /// Offers that may be taken, the newest first.
    pub open: Vec<Choice>,
    /// Tags that are younger than was asked for, or of unknown age.
    pub too_young: Vec<String>,
    /// A new major version of a database that was not taken.
    pub left_out: Option<MajorStep>,
    pub chosen: Option<Choice>,
    /// When the image that is chosen was built; none where that is unknown.
    pub created: Option<Timestamp>,
    pub link: Option<String>,
    pub written: bool,
    pub error: Option<String>,
}

impl Job {
    pub fn new(spot: Spot) -> Self {
        Job {
            spot,
            offers: Vec::new(),
            rebuilt: None,
            open: Vec::new(),
            too_young: Vec::new(),
            left_out: None,
            chosen: None,
            created: None,
            link: None,
            written: false,
            error: None,
        }
    }

    /// The images as they are.
    pub fn now(&self) -> Choice {
        self.spot.uses.iter().map(|it| it.image.clone()).collect()
    }

    /// The image that stands for the spot: that of its first service.
    pub fn first(&self) -> &Reference {
        &self.spot.uses[0].image
    }

    /// Keeps an error; the first one says why.
    pub fn fail(&mut self, error: impl ToString) {
        self.error.get_or_insert_with(|| error.to_string());
    }

    /// What the choice changes.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let both = self.spot.uses.iter().zip(self.chosen.iter().flatten());
        both.map(|(it, image)| Change {
            service: it.service.clone(),
            before: Some(it.image.clone()),
            after: Some(image.clone()),
            link: self.link.clone(),
        })
    }

    /// What has to be known about a new major version of a database.
    pub fn warning(&self) -> Option<String> {
        self.changes().find_map(|change| change.warning()).or_else(|| {
            let warning = self.left_out.as_ref()?.warning();
            Some(format!("{warning}. It was left out; `--database-majors` takes it"))
        })
    }
}
