//! `potluck recipe release`

use serde::Serialize;

use super::{
    authoring::{BumpArg, NEXT, PersonArg, WorkArg, compose, of_git, wanted},
    sync::unedited,
};
use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        prompt,
        session::Session,
        shell,
        ui::clean,
    },
    lint::Severity,
    recipe::{
        Version,
        author::{Contents, Desk, open_decisions, set_version, version},
        lint::lint,
        version::Release,
    },
};

/// Release a version of a recipe.
///
/// Writes the version into the label, what is in `release/next` into its note
/// (`release/VERSION`), commits that with what else was changed, and puts an annotated tag
/// there, signed where your git signs tags (tag.gpgSign). Files that are new to git are left
/// out: commit those that belong to it first. Lint errors stop it; what the README still lists
/// under `To decide` is shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe release wiki --minor --dry-run
  potluck recipe release wiki --patch --message 'Fixes the upload of images.'
  potluck recipe release wiki 2.0.0+7.0 --publish

The version is the one given, that of the newest release with a number raised, or what the
label says if that is later. Your own git configuration counts, that of the clone does not; no
hook runs. Without a terminal, --yes is needed; else the exit code is 6.

JSON: {recipe, version, files, note, commit, signed, published}; `commit` is null after a dry
run.")]
pub struct Args {
    #[command(flatten)]
    work: WorkArg,

    /// The version [default: the newest release with a number raised]
    #[arg(value_name = "VERSION", conflicts_with_all = ["major", "minor", "patch"])]
    version: Option<String>,

    #[command(flatten)]
    bump: BumpArg,

    /// What operators are told [default: release/next; at a terminal you are asked]
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,

    /// Push the branch and the tag to where the clone came from
    #[arg(short, long)]
    publish: bool,

    #[command(flatten)]
    person: PersonArg,

    /// Show what would be released and change nothing
    #[arg(short = 'd', long)]
    dry_run: bool,

    /// Don't ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    recipe: String,
    version: String,
    /// What is committed, sorted.
    files: Vec<String>,
    note: Option<String>,
    commit: Option<String>,
    signed: bool,
    published: bool,
}

/// Fails for what is no version, or no name of a tag, before anything is changed.
fn require_version(wanted: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    let is_tag = wanted.chars().all(plain)
        && !wanted.contains("..")
        && !wanted.ends_with('.')
        && !wanted.ends_with('+')
        && !wanted.to_ascii_lowercase().ends_with(".lock");
    match is_tag && Release::parse(wanted).is_some() {
        true => Ok(()),
        false => Err(Failure::usage(format!("`{}` is not a version", clean(wanted)))
            .hint("the recipe's version, and that of its main image: `1.2.0+6.4`")),
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    if args.publish && session.offline {
        return Err(Failure::usage("`--offline` and publishing exclude each other"));
    }
    let (store, recipe, desk) = args.work.open(session)?;
    let texts = desk.texts()?;
    let (file, text) = compose(&texts)?;
    let newest = store.versions(&recipe)?.into_iter().next();
    let given = args.version.as_deref();
    let wanted = wanted(session, given, args.bump.bump(), newest.as_deref(), &texts)?;
    require_version(&wanted)?;
    if args.publish {
        desk.address()?;
    }

    let failed = |error| unedited(&file, &error, &wanted);
    let differs = version(&text).map_err(failed)?.as_ref() != Some(&wanted);
    let edited = differs.then(|| set_version(&text, &wanted)).transpose().map_err(failed)?;
    let path = format!("release/{wanted}");
    let next = desk.text(NEXT)?;
    let note = note(args, session, desk.text(&path)?.or(next.clone()))?;

    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for difference in desk.differences()? {
        let own = [path.as_str(), NEXT, file.as_str()].contains(&difference.path.as_str());
        match difference.how {
            "new" if !own => left_out.push(difference.path),
            _ => files.push(difference.path),
        }
    }
    lint_of(&args.work, &store.examine(&recipe, &Version::Working)?, &left_out)?;
    files.extend(edited.as_ref().map(|_| file.clone()));
    files.extend(note.as_ref().map(|_| path.clone()));
    files.extend(next.as_ref().map(|_| NEXT.to_owned()));
    files.sort();
    files.dedup();

    session.ui.say(format_args!("Release {} of {}:", clean(&wanted), recipe));
    for file in &files {
        session.ui.say(format_args!("  commit   {}", clean(file)));
    }
    session.ui.say(format_args!("  tag      {}", clean(&wanted)));
    if args.publish {
        session.ui.say(format_args!("  push to  {}", clean(&desk.address()?)));
    }
    for path in &left_out {
        session.ui.warn(format_args!("{} is new to git and left out", clean(path)));
    }
    for decision in open_decisions(&desk.text("README.md")?.unwrap_or_default()) {
        session.ui.warn(format_args!("README.md: still to decide: {}", clean(&decision)));
    }
    let mut report = Report {
        recipe: recipe.to_string(),
        version: wanted.clone(),
        files,
        note,
        commit: None,
        signed: false,
        published: false,
    };
    if !args.dry_run {
        let needs = format!("the release of {recipe} needs consent");
        prompt::agree(&session.ui, args.yes, &needs, "Release it?")?;
        let note = report.note.as_ref().map(|note| format!("{}\n", note.trim_end()));
        let mut contents = Contents::new();
        contents.extend(edited.map(|text| (file, Some(text))));
        contents.extend(note.map(|note| (path, Some(note))));
        contents.extend(next.map(|_| (NEXT.to_owned(), None)));
        desk.write(&contents)?;
        let committed = committed(&desk, &report.files)?;
        let message = format!("chore: publish {wanted} release");
        let notes = report.note.clone().unwrap_or_else(|| wanted.clone());
        let made = desk
            .release(&committed, &message, Some((&wanted, &notes)), &args.person.person())
            .map_err(of_git)
            .map_err(|failure| {
                let diff = format!("`potluck recipe diff {}`", shell::word(&args.work.recipe));
                failure.hint(format!("nothing was committed; {diff} shows what was written"))
            })?;
        report.signed = desk.is_signed(&wanted)?;
        if args.publish {
            desk.publish(&made.branch, Some(&wanted)).map_err(|error| {
                Failure::from(error).hint(format!(
                    "the release is made here; `git -C {} push --atomic origin {} {wanted}` tries \
                     again",
                    shell::path(&store.place(&recipe)),
                    shell::word(&made.branch)
                ))
            })?;
            report.published = true;
        }
        report.commit = Some(made.id);
    }
    session.report_of_texts(&report, &args.json, |report| {
        let signed = if report.signed { ", signed" } else { "" };
        session.ui.say(match (&report.commit, report.published) {
            (None, _) => "Nothing was changed: this was a dry run.".to_owned(),
            (Some(_), true) => format!("{} is released{signed}, and published.", report.version),
            (Some(_), false) => format!(
                "{} is released{signed}, in this clone: push its branch and its tag.",
                report.version
            ),
        });
        Ok(())
    })
}

/// Of files that are to be committed, those that are not as the last commit has them.
fn committed(desk: &Desk, files: &[String]) -> Result<Vec<String>, Failure> {
    let differ = desk.differences()?.into_iter().map(|difference| difference.path);
    Ok(differ.filter(|path| files.contains(path)).collect())
}

/// Stops a release that no app could deploy, which is the folder without what is left out of it.
fn lint_of(
    work: &WorkArg,
    checkout: &crate::recipe::Checkout,
    left_out: &[String],
) -> Result<(), Failure> {
    for path in left_out {
        let copy = checkout.path().join(path);
        std::fs::remove_file(&copy)
            .map_err(|error| Failure::io(format!("leaving out {path}"), &error))?;
    }
    let errors: Vec<_> =
        lint(checkout).into_iter().filter(|it| it.severity == Severity::Error).collect();
    let Some(first) = errors.first() else { return Ok(()) };
    let failure = Failure::new(format!("the recipe has mistakes that stop a deploy: {first}"));
    Err(match left_out.first() {
        None => failure.hint(format!(
            "`potluck recipe lint {}` shows all of them",
            shell::word(&work.recipe)
        )),
        Some(new) => failure.hint(format!(
            "files that are new to git are left out, such as {}: commit those that belong to it first",
            clean(new)
        )),
    })
}

/// What operators are told.
fn note(
    args: &Args,
    session: &Session,
    written: Option<String>,
) -> Result<Option<String>, Failure> {
    let text = match (&args.message, written) {
        (Some(message), _) => message.clone(),
        (None, Some(written)) => written,
        (None, None) if session.ui.is_interactive() && !args.dry_run => {
            let help = "what operators should know before they upgrade; Enter alone writes none";
            prompt::optional_text(&session.ui, "Release note:", help)?
        }
        (None, None) => String::new(),
    };
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
