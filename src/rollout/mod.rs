//! Rolls out one stack to a swarm: reads what exists, compares, sends what differs,
//! waits until it runs, rolls back, removes it; also stacks of plain compose files. It knows
//! nothing of apps, recipes or plugins.

pub(crate) mod converge;
mod diff;
pub(crate) mod drivers;
mod error;
pub(crate) mod external;
mod glance;
mod keeping;
pub(crate) mod live;
mod place;
mod plan;
pub(crate) mod platforms;
pub(crate) mod removal;
pub(crate) mod restart;
pub(crate) mod run;
pub(crate) mod send;
mod stack;
pub(crate) mod state;
pub(crate) mod undo;
pub(crate) mod work;

pub use error::{Error, Failed, FailedService, Problem, Subject, Taken};
pub use place::Place;
pub use plan::{Change, ChangeAction, ChangeKind, Plan, ReachRow};
pub use stack::{
    ServiceRow, StackOptions, StackReport, StackRow, deploy_stack, remove_stack, stack_services,
    stack_tasks, stacks,
};
pub use state::condition::{Condition, of_stacks as conditions, taskless};
pub use state::ps::TaskRow;
pub use state::reached::Reached;
pub(crate) use state::replicas;
pub use state::silent::{Silence, silence, unreadable_driver};
pub use state::wanted::wants_tasks;
pub use state::{Failing, State};
pub use work::ResolveImage;
