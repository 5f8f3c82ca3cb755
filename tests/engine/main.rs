//! One suite, two engines: what holds for Docker Swarm holds for the simulated
//! one, so that the simulation cannot drift from the truth.
//!
//! Each promise is written once; the macro at the end makes a test of it for
//! either engine. The one against Docker is skipped, loudly, where none
//! answers.

mod containers;
mod exec;
mod objects;
mod secrets;
mod services;
mod simulation;
mod ssh;
mod swarm;
mod tls;

#[path = "../support/mod.rs"]
mod support;

use support::common;

macro_rules! conformance {
    ($($room:ident::$promise:ident)*) => {
        mod on_docker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let Some(swarm) = crate::swarm::Swarm::docker().await else { return };
                    crate::$room::$promise(&swarm).await;
                }
            )*
        }
        mod simulated {
            $(
                #[tokio::test]
                async fn $promise() {
                    let Some(swarm) = crate::swarm::Swarm::simulated().await else { return };
                    crate::$room::$promise(&swarm).await;
                }
            )*
        }
    };
}

conformance! {
    services::the_manager_says_who_it_is
    services::services_come_change_and_go
    services::a_name_is_taken_once
    services::a_stale_version_is_out_of_sequence
    services::specs_come_back_raw
    services::a_prefix_is_not_a_name
    services::what_is_not_there_is_not_found
    objects::secrets_and_configs_stay_while_they_are_used
    objects::sizes_and_names_are_refused_by_the_manager
    objects::networks_go_when_nobody_uses_them
    services::what_a_service_needs_must_be_there
    services::tasks_come_up_and_newest_first
    services::a_failing_task_tells_its_exit_code
    services::a_container_says_why_it_ended
    services::an_image_that_cannot_be_had_is_rejected
    services::a_failed_update_is_rolled_back_and_says_so
    services::a_failed_update_pauses_by_default
    containers::a_program_has_input_two_outputs_and_an_exit_code
    containers::archives_go_in_and_come_out
    containers::a_paused_container_is_frozen_until_it_is_let_run_on
    containers::logs_can_be_read_by_service_and_by_task
    objects::volumes_have_a_place_and_labels
}
