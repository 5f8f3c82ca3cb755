//! `potluck app ps`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        app::{key, not_deployed},
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, engine, wait},
        table::Table,
    },
    engine::{
        Engine, IMAGE_LABEL, Scope,
        api::{Service, Task, TaskState},
    },
    home::StackName,
};

/// Show an app's services and how they do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit code 1 when the app is not deployed.

JSON: a list of {service, image, running, wanted, update, tasks}; a task is {id,
slot, node, state, wanted, since, message, exit_code}, newest first. `update` is
the swarm's word for the last update, if there was one.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Show tasks that have ended, too
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    service: String,
    image: String,
    running: usize,
    /// Tasks that should run; for a global service, as many as there are nodes for it.
    wanted: u64,
    update: Option<String>,
    tasks: Vec<TaskRow>,
}

#[derive(Serialize)]
struct TaskRow {
    id: String,
    slot: Option<i64>,
    node: Option<String>,
    /// What it does now, in swarm's words.
    state: String,
    /// What swarm wants it to do.
    wanted: String,
    /// When the state began, in RFC 3339.
    since: Option<String>,
    /// The error, if there is one.
    message: Option<String>,
    exit_code: Option<i64>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let rows = wait("interrupted", async {
        let engine = engine(&home, &entry.server)?;
        read(engine.as_ref(), &entry.name.stack(), args.all || args.json.json).await
    })?;
    if rows.is_empty() {
        if args.json.json {
            session.ui.json(&rows)?;
        }
        return Err(not_deployed(&entry));
    }
    if args.json.json {
        session.ui.json(&rows)?;
        return Ok(Exit::DONE);
    }
    let mut table =
        Table::new(&["SERVICE", "RUNNING", "STATE", "SINCE", "NODE", "IMAGE", "MESSAGE"]);
    for row in &rows {
        let count = format!("{}/{}", row.running, row.wanted);
        if row.tasks.is_empty() {
            table.row([row.service.as_str(), &count, "-", "-", "-", &row.image, ""]);
        }
        for (n, task) in row.tasks.iter().enumerate() {
            let message = match (&task.message, task.exit_code) {
                (Some(message), _) => message.clone(),
                (None, Some(code)) if code != 0 => format!("exit code {code}"),
                _ => String::new(),
            };
            let first = n == 0;
            table.row([
                if first { row.service.as_str() } else { "" },
                if first { &count } else { "" },
                &task.state,
                task.since.as_deref().map(short_time).unwrap_or("-"),
                task.node.as_deref().unwrap_or("-"),
                if first { row.image.as_str() } else { "" },
                &message,
            ]);
        }
    }
    table.print(&session.ui)?;
    Ok(Exit::DONE)
}

/// To the second: `2026-11-21T20:15:07`.
fn short_time(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

async fn read(
    engine: &dyn Engine,
    stack: &StackName,
    ended_too: bool,
) -> Result<Vec<Row>, Failure> {
    let mut services = engine.services(Scope::Stack(stack)).await?;
    services.sort_by(|a, b| name(a).cmp(name(b)));
    let nodes: BTreeMap<String, String> = engine
        .nodes()
        .await?
        .into_iter()
        .filter_map(|node| Some((node.id?, node.description?.hostname?)))
        .collect();
    let mut rows = Vec::new();
    for service in &services {
        let id = service.id.as_deref().unwrap_or_default();
        rows.push(row(service, stack, engine.tasks(id).await?, &nodes, ended_too));
    }
    Ok(rows)
}

fn row(
    service: &Service,
    stack: &StackName,
    tasks: Vec<Task>,
    nodes: &BTreeMap<String, String>,
    ended_too: bool,
) -> Row {
    let wanted_to_run = |task: &Task| {
        matches!(
            task.desired_state,
            Some(TaskState::RUNNING | TaskState::READY | TaskState::COMPLETE)
        )
    };
    let running = tasks.iter().filter(|task| state(task) == Some(TaskState::RUNNING)).count();
    let mode = service.spec.as_ref().and_then(|spec| spec.mode.as_ref());
    let replicas = mode
        .and_then(|mode| mode.replicated.as_ref())
        .map(|replicated| u64::try_from(replicated.replicas.unwrap_or(1)).unwrap_or(0));
    let live = tasks.iter().filter(|task| wanted_to_run(task)).count();
    Row {
        service: key(stack, name(service)),
        image: image(service),
        running,
        wanted: replicas.unwrap_or(live as u64),
        update: service
            .update_status
            .as_ref()
            .and_then(|status| status.state)
            .map(|state| state.to_string()),
        tasks: tasks
            .iter()
            .filter(|task| ended_too || wanted_to_run(task))
            .map(|task| task_row(task, nodes))
            .collect(),
    }
}

fn task_row(task: &Task, nodes: &BTreeMap<String, String>) -> TaskRow {
    let status = task.status.as_ref();
    let text = |state: Option<TaskState>| state.map_or_else(|| "-".into(), |s| s.to_string());
    TaskRow {
        id: task.id.clone().unwrap_or_default(),
        slot: task.slot,
        node: task.node_id.as_ref().map(|id| nodes.get(id).unwrap_or(id).clone()),
        state: text(state(task)),
        wanted: text(task.desired_state),
        since: status.and_then(|s| s.timestamp.clone()),
        message: status.and_then(|s| s.err.clone()).filter(|e| !e.is_empty()),
        exit_code: status.and_then(|s| s.container_status.as_ref()).and_then(|c| c.exit_code),
    }
}

fn state(task: &Task) -> Option<TaskState> {
    task.status.as_ref().and_then(|status| status.state)
}

fn name(service: &Service) -> &str {
    service.spec.as_ref().and_then(|spec| spec.name.as_deref()).unwrap_or_default()
}

/// As the compose file wrote it, else without the digest.
fn image(service: &Service) -> String {
    let Some(spec) = &service.spec else { return String::new() };
    if let Some(written) = spec.labels.as_ref().and_then(|labels| labels.get(IMAGE_LABEL)) {
        return written.clone();
    }
    let full = spec
        .task_template
        .as_ref()
        .and_then(|template| template.container_spec.as_ref())
        .and_then(|container| container.image.as_deref())
        .unwrap_or_default();
    full.split_once('@').map_or(full, |(image, _)| image).to_owned()
}
