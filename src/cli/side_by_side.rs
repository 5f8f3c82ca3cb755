//! Several apps at a time: which ones, that nobody is asked about any of them, and of which
//! something is said.

use std::sync::Arc;

use super::failure::Failure;
use crate::{
    app::{Consent, Context, Downgrade, Takeover, Wish},
    home::{AppEntry, Home, ServerName},
    progress::{Event, Level, Sink},
    rollout::Plan,
};

/// The apps that a command is about.
pub struct Selection {
    /// By server, then by name.
    pub apps: Vec<AppEntry>,
    /// Names and patterns that no app fits.
    pub unknown: Vec<String>,
}

/// The apps of these names and patterns, of all where there are none.
///
/// # Errors
/// For an unknown server, and where no app fits.
pub fn select(
    home: &Home,
    names: &[String],
    server: Option<&ServerName>,
) -> Result<Selection, Failure> {
    if let Some(server) = server {
        home.server(server)?;
    }
    let mut apps = home.apps()?;
    apps.retain(|app| server.is_none_or(|server| app.server == *server));
    let unknown = keep(&mut apps, names);
    if apps.is_empty() {
        return Err(Failure::new("no app fits").hint("`potluck app ls` lists them"));
    }
    Ok(Selection { apps, unknown })
}

/// The same, where each name has to be one of an app.
///
/// # Errors
/// As [`select`], and for a name that no app has.
pub fn select_known(
    home: &Home,
    names: &[String],
    server: Option<&ServerName>,
) -> Result<Vec<AppEntry>, Failure> {
    let Selection { apps, unknown } = select(home, names, server)?;
    match unknown.first() {
        None => Ok(apps),
        Some(name) => Err(Failure::new(format!("no app is called `{name}`"))
            .hint("`potluck app ls` lists the apps")),
    }
}

/// The same for what looks at all that is there, which may be nothing yet.
///
/// # Errors
/// As [`select_known`], but where no name was given.
pub fn select_any(
    home: &Home,
    names: &[String],
    server: Option<&ServerName>,
) -> Result<Vec<AppEntry>, Failure> {
    if !names.is_empty() {
        return select_known(home, names, server);
    }
    if let Some(server) = server {
        home.server(server)?;
    }
    let mut apps = home.apps()?;
    apps.retain(|app| server.is_none_or(|server| app.server == *server));
    Ok(apps)
}

/// The same, where names may be those of apps that are gone.
///
/// # Errors
/// For an unknown server.
pub fn select_if_any(
    home: &Home,
    names: &[String],
    server: Option<&ServerName>,
) -> Result<Selection, Failure> {
    let mut apps = select_any(home, &[], server)?;
    let unknown = keep(&mut apps, names);
    Ok(Selection { apps, unknown })
}

/// Leaves those that a name fits, all where there is none; the names that fit no app.
fn keep(apps: &mut Vec<AppEntry>, names: &[String]) -> Vec<String> {
    let fits = |name: &String, app: &AppEntry| matches(name, app.name.as_str());
    let unknown =
        names.iter().filter(|name| !apps.iter().any(|app| fits(name, app))).cloned().collect();
    apps.retain(|app| names.is_empty() || names.iter().any(|name| fits(name, app)));
    unknown
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches(rest, &name[at..]))
        }),
    }
}

/// Lets a context serve several apps at a time: nobody is asked, and what is said names its
/// app. `all` says small steps, too; a log has room for results and warnings only.
pub fn unattended(context: &mut Context, all: bool) {
    context.consent = Arc::new(Unasked);
    let quiet = Quiet { sink: Arc::clone(&context.progress), all };
    context.progress = Arc::new(Named(Arc::new(quiet)));
}

/// Several questions at a time cannot be answered.
pub struct Unasked;

impl Consent for Unasked {
    fn grants(&self, _: &Wish) -> bool {
        false
    }

    fn downgrade(&self, _: &Downgrade) -> bool {
        false
    }

    fn takeover(&self, _: &Takeover) -> bool {
        false
    }

    fn plan(&self, _: &Plan) -> bool {
        true
    }
}

tokio::task_local! {
    /// The app that is worked at.
    static APP: String;
}

/// Work at an app, so that [`Named`] knows of which one something is said.
pub async fn of_app<T>(app: String, work: impl Future<Output = T>) -> T {
    APP.scope(app, work).await
}

/// Says of which app something is.
pub struct Named(pub Arc<dyn Sink>);

impl Sink for Named {
    fn event(&self, event: Event) {
        let of = |text: String| APP.try_with(|app| format!("{app}: {text}")).unwrap_or(text);
        self.0.event(match event {
            Event::Step { name } => Event::Step { name: of(name) },
            Event::Done { name, detail } => Event::Done { name: of(name), detail },
            Event::Service { service, state } => Event::Service { service: of(service), state },
            Event::Hook { plugin, level, message } => {
                Event::Hook { plugin: of(plugin), level, message }
            }
            Event::Progress { step, done, total, unit } => {
                Event::Progress { step: of(step), done, total, unit }
            }
            Event::Warning { message } => Event::Warning { message: of(message) },
        });
    }
}

/// Passes on what goes wrong; at a terminal also what is being done, but no list of what was.
pub struct Quiet {
    pub sink: Arc<dyn Sink>,
    /// Also what is being done.
    pub all: bool,
}

impl Sink for Quiet {
    fn event(&self, event: Event) {
        let shown = match &event {
            Event::Warning { .. } => true,
            Event::Hook { level, .. } => *level >= Level::Warn,
            Event::Step { .. } => self.all,
            _ => false,
        };
        if shown {
            self.sink.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("*", "wiki.example.org", true),
            ("*.example.org", "wiki.example.org", true),
            ("wiki.*", "wiki.example.org", true),
            ("w*.e*.org", "wiki.example.org", true),
            ("*.example", "wiki.example.org", false),
            ("wiki", "wiki.example.org", false),
            ("*a*a", "aa", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
