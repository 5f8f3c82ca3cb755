//! `potluck sso` and `potluck mail`

mod change;
mod check;
mod connect;
mod disconnect;
mod ls;
mod mail_test;
mod rotate;

use clap::Subcommand;

use super::{failure::Outcome, seen::show, session::Session};
use crate::home::ConnectionKind;

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck sso connect wiki.example.org sso.example.org
  potluck sso check --all
  potluck sso disconnect wiki.example.org"
)]
pub enum SsoCommand {
    Connect(connect::SsoArgs),
    Disconnect(disconnect::SsoArgs),
    Ls(ls::SsoArgs),
    Check(check::SsoArgs),
    Rotate(rotate::SsoArgs),
}

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck mail connect wiki.example.org mail.example.org --sender wiki@example.org
  potluck mail test wiki.example.org --to anna@example.org
  potluck mail check --all"
)]
pub enum MailCommand {
    Connect(connect::MailArgs),
    Disconnect(disconnect::MailArgs),
    Ls(ls::MailArgs),
    Check(check::MailArgs),
    Test(mail_test::Args),
    Rotate(rotate::MailArgs),
}

pub fn sso(command: &SsoCommand, session: &Session) -> Outcome {
    match command {
        SsoCommand::Connect(args) => connect::sso(args, session),
        SsoCommand::Disconnect(args) => disconnect::run(&args.rest, ConnectionKind::Sso, session),
        SsoCommand::Ls(args) => ls::run(args.json, ConnectionKind::Sso, session),
        SsoCommand::Check(args) => check::run(&args.rest, ConnectionKind::Sso, session),
        SsoCommand::Rotate(args) => rotate::sso(args, session),
    }
}

pub fn mail(command: &MailCommand, session: &Session) -> Outcome {
    match command {
        MailCommand::Connect(args) => connect::mail(args, session),
        MailCommand::Disconnect(args) => disconnect::run(&args.rest, ConnectionKind::Mail, session),
        MailCommand::Ls(args) => ls::run(args.json, ConnectionKind::Mail, session),
        MailCommand::Check(args) => check::run(&args.rest, ConnectionKind::Mail, session),
        MailCommand::Test(args) => mail_test::run(args, session),
        MailCommand::Rotate(args) => rotate::mail(args, session),
    }
}
