//! Deploying, looking after and removing apps and stacks.

mod apps;
mod commons;
mod connections;
mod crash;
mod crash_real;
mod data;
mod errors;
mod escrow;
mod lease;
mod mail;
mod migrations;
mod networks;
mod on_call;
mod others;
mod others_hand;
mod ownership;
mod pairs;
mod reach;
mod reach_swarm;
mod recipe_test;
mod refused_stacks;
mod refused_tasks;
mod releases;
mod servers;
mod sign_in;
mod sign_in_apps;
mod stacks;
mod switch;
mod synapse;
mod upgrade;
mod upstream;
mod verbs;
mod versions;
mod wordpress;

#[path = "../support/mod.rs"]
mod support;
