//! What is wrong with a recipe before anyone deploys it.
