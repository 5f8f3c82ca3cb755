//! Files that are none of the recipe's.

use super::{Guest, QUIET, attack, world::NEW};

/// `QUIET` with more at its top level and for its service.
fn quiet(service: &str, top: &str) -> String {
    QUIET.replace("    deploy:", &format!("    {service}\n    deploy:")) + top
}

fn config(file: &str) -> String {
    quiet("configs: [c]", &format!("configs: {{c: {{file: \"{file}\"}}}}\n"))
}

fn refused_file(file: &'static str, words: &'static str) {
    attack(|guest| {
        guest.compose(&config(file));
        guest.deploy_is_refused(words);
    });
}

#[test]
fn a_config_is_a_file_beside_the_recipe() {
    attack(|guest| {
        let number = guest.outside().file_name().unwrap().to_string_lossy().into_owned();
        guest.compose(&config(&format!("../outside/{number}/f")));
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn a_config_is_an_absolute_path() {
    refused_file("OUTSIDE/f", "leaves the recipe's folder");
}

#[test]
fn a_config_is_a_link_that_leads_out() {
    attack(|guest| {
        guest.compose(&config("inside"));
        guest.link("OUTSIDE/f", "inside");
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn a_config_lies_behind_a_folder_that_is_a_link() {
    attack(|guest| {
        guest.compose(&config("folder/f"));
        guest.link("OUTSIDE", "folder");
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn a_secret_is_a_file_of_the_machine() {
    attack(|guest| {
        guest.compose(&quiet("secrets: [s]", "secrets: {s: {file: /etc/shadow}}\n"));
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn an_env_file_lies_outside() {
    attack(|guest| {
        guest.compose(&quiet("env_file: OUTSIDE/f", ""));
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn a_config_is_a_pipe_that_never_ends() {
    attack(|guest| {
        guest.compose(&config("pipe"));
        let made = std::process::Command::new("mkfifo").arg(guest.folder().join("pipe")).status();
        assert!(made.unwrap().success());
        refused_anywhere(guest, "it is neither a file, a folder nor a link");
    });
}

#[test]
fn a_service_extends_a_file_outside() {
    attack(|guest| {
        let extends = "extends: {file: OUTSIDE/compose.yml, service: app}";
        guest.compose(&quiet(extends, ""));
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn a_file_outside_is_included() {
    attack(|guest| {
        guest.compose(&quiet("", "include: [OUTSIDE/compose.yml]\n"));
        guest.deploy_is_refused("leaves the recipe's folder");
    });
}

#[test]
fn the_compose_file_itself_is_a_link_that_leads_out() {
    attack(|guest| {
        guest.link("OUTSIDE/compose.yml", "compose.yml");
        refused_anywhere(guest, "leaves the recipe's folder");
    });
}

#[test]
fn the_sample_is_a_link_that_leads_out() {
    attack(|guest| {
        guest.compose(QUIET);
        std::fs::remove_file(guest.folder().join(".env.sample")).unwrap();
        guest.link("OUTSIDE/f", ".env.sample");
        refused_anywhere(guest, "leaves the recipe's folder");
    });
}

#[test]
fn the_sample_names_compose_files_outside() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write(
            ".env.sample",
            "TYPE=x\nDOMAIN=x\nCOMPOSE_FILE=compose.yml:OUTSIDE/compose.yml\n",
        );
        refused_anywhere(guest, "leaves the recipe's folder");
    });
}

#[test]
fn a_plugin_is_a_file_outside() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write("recipe.yml", "plugins:\n  - name: p\n    component: OUTSIDE/f\n");
        refused_anywhere(guest, "leaves the recipe's folder");
    });
}

/// Whether the first or the second command notices, nothing is deployed.
fn refused_anywhere(guest: &Guest, words: &str) {
    let made = guest.run(NEW);
    if made.code == 0 {
        guest.refused(&["app", "deploy", "APP", "-n"], 1, words);
    } else {
        assert!(made.stderr.contains(words), "{made}");
    }
}
