//! Secrets are kept, encrypted for the team, and nobody else reads them: the program at
//! work in folders that people share.

use crate::support::{cli, common, hostile};

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cli::{Lab, Run};
use common::skip;
use hostile::{Data, Guest, fail_with_error};

const APP: &str = "t.example";
const KEPT: &str = "potluck/servers/simulated/t.example.secrets";
const IDENTITY: &str = "home/.config/potluck/identity";

/// With a key of one's own and an app whose one secret can be made.
fn lab() -> Lab {
    let lab = Lab::with_tiny_app();
    good(&lab.run(&["key", "new", "--name", "anna"]));
    lab
}

fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

fn failed(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{run}");
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is missing: {run}");
    }
}

/// Makes the token and returns its value.
fn generate(lab: &Lab) -> String {
    let run = lab.run(&["app", "secret", "generate", APP, "token", "--show"]);
    good(&run);
    run.stdout.trim().strip_prefix("token ").unwrap().to_owned()
}

/// A file as the plain crate opens it, without a line of potluck.
fn open(file: &Path, identity: &Path) -> Result<Vec<u8>, String> {
    let key = fs::read_to_string(identity).unwrap();
    let key = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let key: age::x25519::Identity = key.parse().unwrap();
    let sealed = fs::read(file).unwrap();
    let decryptor = age::Decryptor::new(sealed.as_slice()).map_err(|e| e.to_string())?;
    let mut reader = decryptor
        .decrypt(std::iter::once(&key as &dyn age::Identity))
        .map_err(|e| e.to_string())?;
    let mut value = Vec::new();
    reader.read_to_end(&mut value).map_err(|e| e.to_string())?;
    Ok(value)
}

/// Says so where the program `age` is missing.
fn has_age() -> bool {
    let found = Command::new("age").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip::skip("the program `age` is not installed (Debian: age)");
    }
    found
}

#[test]
fn a_new_secret_is_kept_and_opens_without_potluck() {
    let lab = lab();
    let mode = |below: &str| fs::metadata(lab.path(below)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(IDENTITY), mode("home/.config/potluck")), (0o600, 0o700));
    let value = generate(&lab);
    let binary = [&b"\x00\xff"[..], &[b'x'; 70_000]].concat();
    good(&lab.run_with(&["app", "secret", "insert", APP, "mail_password"], &binary));
    let file = lab.path(KEPT).join("token_v1.age");
    assert_eq!(open(&file, &lab.path(IDENTITY)).unwrap(), value.as_bytes());
    let shown = lab.run(&["app", "secret", "show", APP, "token"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (0, value.as_str()), "{shown}");
    assert!(shown.stderr.contains("token_v1: nobody else can read it."), "{shown}");
    // Bytes stay bytes.
    let mut command = lab.command();
    let output = command.args(["app", "secret", "show", APP, "mail_password"]).output().unwrap();
    assert_eq!(output.stdout, binary);
    if has_age() {
        for (name, expected) in [("token", value.as_bytes()), ("mail_password", &binary)] {
            let file = lab.path(KEPT).join(format!("{name}_v1.age"));
            let mut age = Command::new("age");
            let output = age_output(age.args(["-d", "-i"]).arg(lab.path(IDENTITY)).arg(&file));
            assert_eq!(output, expected);
        }
        // And what age makes for the list of recipients is read here.
        let recipients = lab.path("potluck/recipients");
        fs::write(lab.path("plain"), "by hand").unwrap();
        let file = lab.path(KEPT).join("token_v9.age");
        let made = Command::new("age")
            .args(["-e", "-R"])
            .arg(&recipients)
            .arg("-o")
            .arg(&file)
            .arg(lab.path("plain"))
            .status();
        assert!(made.unwrap().success());
        let shown = lab.run(&["app", "secret", "show", APP, "token", "v9"]);
        assert_eq!(shown.stdout, "by hand", "{shown}");
    }
    let rows = lab.json(&["app", "secret", "ls", APP, "--json"]);
    let token =
        rows.as_array().unwrap().iter().find(|row| row["full_name"] == "t_example_token_v1");
    let token = token.unwrap();
    assert_eq!((&token["kept"], &token["readers"]), (&true.into(), &serde_json::json!(["anna"])));
    let keys = lab.json(&["key", "ls", "--json"]);
    assert_eq!((&keys[0]["name"], &keys[0]["yours"]), (&"anna".into(), &true.into()));
}

fn age_output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn without_recipients_every_command_that_makes_a_secret_says_so() {
    let lab = Lab::with_tiny_app();
    let said = "warning: no copy is kept, so it is lost with the server; `potluck key new` makes a \
                key";
    for (arguments, input) in [
        (&["app", "secret", "generate", APP][..], ""),
        (&["app", "secret", "insert", APP, "mail_password"], "x"),
        (&["app", "secret", "rotate", APP, "token"], ""),
    ] {
        let run = lab.run_with(arguments, input.as_bytes());
        good(&run);
        assert_eq!(run.stderr.matches(said).count(), 1, "{run}");
    }
    let list = lab.run(&["key", "ls"]);
    assert!(list.stderr.contains("There are no recipients"), "{list}");
    let show = ["app", "secret", "show", APP, "token"];
    failed(&lab.run(&show), 1, &["the secret `token` is not kept"]);
    assert!(!lab.path(KEPT).exists());
    // From now on they are kept, and no one is warned.
    good(&lab.run(&["key", "new"]));
    let run = lab.run(&["app", "secret", "rotate", APP, "token"]);
    good(&run);
    assert!(!run.stderr.contains("warning"), "{run}");
    assert!(lab.path(KEPT).join("token_v3.age").exists());
}

#[test]
fn a_private_key_stays_outside_of_the_shared_folder() {
    let lab = Lab::with_tiny_app();
    let run = lab.run(&["key", "new", "--identity", "potluck/my.key"]);
    failed(&run, 2, &["is in the folder that the team shares"]);
    assert!(!lab.path("potluck/my.key").exists() && !lab.path("potluck/recipients").exists());
    let xdg = lab.command().env("XDG_CONFIG_HOME", lab.path("xdg")).args(["key", "new"]).output();
    assert!(xdg.unwrap().status.success());
    assert!(lab.path("xdg/potluck/identity").exists());
    // A private key that somebody types is not repeated.
    let key = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let run = lab.run(&["key", "add", key, "--name", "x"]);
    failed(&run, 1, &["this is a private key"]);
    assert!(!run.to_string().contains("1GQ9778"), "{run}");
}

#[test]
fn an_ssh_key_reads_secrets_too() {
    let lab = Lab::with_tiny_app();
    for kind in ["ed25519", "rsa"] {
        let key = lab.path(kind);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", kind, "-t", kind, "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let run = lab.run(&["key", "new", "--identity", kind, "--name", kind]);
        good(&run);
    }
    // The second was made with a key that opens nothing yet, but there was nothing.
    let value = generate(&lab);
    for kind in ["ed25519", "rsa"] {
        let run = lab.run(&["app", "secret", "show", APP, "token", "--identity", kind]);
        assert_eq!(run.stdout, value, "{run}");
        let other = if kind == "rsa" { "ed25519" } else { "rsa" };
        assert!(run.stderr.contains(&format!("{other} can read it, too")), "{run}");
        if has_age() {
            let file = lab.path(KEPT).join("token_v1.age");
            let mut age = Command::new("age");
            let age = age.args(["-d", "-i"]).arg(lab.path(kind)).arg(file);
            assert_eq!(age_output(age), value.as_bytes());
        }
    }
}

/// Someone with a clone of the folder and a key of their own.
struct Person<'a> {
    lab: &'a Lab,
    name: &'static str,
}

impl Person<'_> {
    fn folder(&self) -> PathBuf {
        self.lab.path(self.name)
    }

    fn identity(&self) -> PathBuf {
        self.lab.path(&format!("{}.key", self.name))
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let folder = self.folder().display().to_string();
        let mut command = self.lab.command();
        command.env("POTLUCK_DIR", folder).env("POTLUCK_IDENTITY", self.identity());
        let output = command.args(arguments).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn good(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        good(&run);
        run
    }

    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
            .arg(self.folder())
            .args(arguments)
            .env("HOME", self.lab.path("home"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{} git {arguments:?}: {said}", self.name);
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", self.name]);
    }

    fn pull(&self, other: &Person) {
        let from = other.folder().display().to_string();
        self.git(&["pull", "-q", "--no-rebase", "--no-edit", &from, "main"]);
    }

    fn shown(&self, name: &str) -> Result<String, String> {
        let run = self.run(&["app", "secret", "show", APP, name]);
        if run.code == 0 { Ok(run.stdout) } else { Err(run.stderr) }
    }

    fn public(&self) -> String {
        let key = fs::read_to_string(self.identity()).unwrap();
        key.lines().next().unwrap().strip_prefix("# public key: ").unwrap().to_owned()
    }
}

/// Anna's folder in git with one kept secret, and Ben's clone of it.
fn two(lab: &Lab) -> (Person<'_>, Person<'_>) {
    let anna = Person { lab, name: "anna" };
    let ben = Person { lab, name: "ben" };
    lab.tiny_recipe();
    anna.good(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    anna.good(&["key", "new", "--name", "anna"]);
    anna.good(&["app", "secret", "generate", APP]);
    fs::write(anna.folder().join(".gitignore"), "/state\n/cache\n").unwrap();
    anna.git(&["init", "-q", "-b", "main"]);
    anna.commit();
    let from = anna.folder().display().to_string();
    let cloned = Command::new("git").args(["clone", "-q", &from]).arg(ben.folder()).status();
    assert!(cloned.unwrap().success());
    (anna, ben)
}

#[test]
fn two_people_add_keys_and_secrets_at_once_and_git_merges_them() {
    let lab = Lab::new();
    let (anna, ben) = two(&lab);
    // At once: Ben adds his key, Anna a third person's; each adds a secret.
    let joined = ben.good(&["key", "new", "--name", "ben"]);
    assert!(joined.stderr.contains("1 kept secret cannot be read with your key yet"), "{joined}");
    assert!(ben.shown("token").unwrap_err().contains("not encrypted for your key"));
    let carl = Person { lab: &lab, name: "carl" };
    potluck::secrets::escrow::Identity::create(&carl.identity()).unwrap();
    anna.good(&["key", "add", &carl.public(), "--name", "carl"]);
    for (person, version) in [(&anna, "v5"), (&ben, "v6")] {
        let run = {
            let mut command = lab.command();
            command
                .env("POTLUCK_DIR", person.folder())
                .env("POTLUCK_IDENTITY", person.identity())
                .args(["app", "secret", "insert", APP, "mail_password", version]);
            command.write_stdin(version).output().unwrap()
        };
        assert!(run.status.success());
        person.commit();
    }
    anna.pull(&ben);
    let keys = anna.good(&["key", "ls", "--json"]).stdout;
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    let names: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    // Ben did not know of Carl, nor Anna of Ben: who can read completes it.
    let list = anna.good(&["key", "ls"]);
    assert!(list.stderr.contains("not everyone in the list can read every kept secret"), "{list}");
    let sealed = anna.good(&["key", "add", &ben.public()]);
    assert!(sealed.stderr.contains("Encrypted 3 secrets anew"), "{sealed}");
    anna.commit();
    ben.pull(&anna);
    for person in [&anna, &ben] {
        assert_eq!(person.shown("token").unwrap().len(), 24);
        let run = person.good(&["app", "secret", "show", APP, "mail_password", "v5"]);
        assert_eq!(run.stdout, "v5");
        assert!(run.stderr.contains("carl can read it, too"), "{run}");
        let run = person.good(&["app", "secret", "show", APP, "mail_password", "v6"]);
        assert_eq!(run.stdout, "v6");
    }
    let file = anna.folder().join("servers/simulated/t.example.secrets/mail_password_v6.age");
    assert_eq!(open(&file, &carl.identity()).unwrap(), b"v6");
}

#[test]
fn a_file_that_two_people_encrypted_anew_is_a_conflict_that_either_side_solves() {
    let lab = Lab::new();
    let (anna, ben) = two(&lab);
    ben.good(&["key", "new", "--name", "ben"]);
    ben.commit();
    anna.pull(&ben);
    anna.good(&["key", "add", &ben.public()]);
    anna.commit();
    ben.pull(&anna);
    let value = anna.shown("token").unwrap();
    let others = ["carl", "dora"].map(|name| Person { lab: &lab, name });
    for (person, other) in [&anna, &ben].into_iter().zip(&others) {
        potluck::secrets::escrow::Identity::create(&other.identity()).unwrap();
        let without_name = person.run(&["key", "add", &other.public()]);
        failed(&without_name, 2, &["whose key is it?", "--name"]);
        person.good(&["key", "add", &other.public(), "--name", other.name]);
        person.commit();
    }
    let from = ben.folder().display().to_string();
    let pulled = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"])
        .arg(anna.folder())
        .args(["pull", "-q", "--no-rebase", "--no-edit", &from, "main"])
        .output()
        .unwrap();
    assert!(!pulled.status.success(), "two versions of one file were merged");
    // git left one side whole, and the list of recipients has both sides.
    let file = "servers/simulated/t.example.secrets/token_v1.age";
    assert_eq!(anna.shown("token").unwrap(), value);
    anna.git(&["checkout", "--theirs", file]);
    assert_eq!(anna.shown("token").unwrap(), value);
    let sealed = anna.good(&["key", "add", &others[0].public()]);
    assert!(sealed.stderr.contains("Encrypted 1 secret anew"), "{sealed}");
    anna.commit();
    for person in [&anna, &ben, &others[0], &others[1]] {
        let read = open(&anna.folder().join(file), &person.identity()).unwrap();
        assert_eq!(read, value.as_bytes(), "{}", person.name);
    }
}

#[test]
fn who_is_removed_reads_nothing_more_and_what_they_read_is_rotated() {
    let lab = Lab::new();
    let (anna, ben) = two(&lab);
    ben.good(&["key", "new", "--name", "ben"]);
    ben.commit();
    anna.pull(&ben);
    anna.good(&["key", "add", &ben.public()]);
    anna.commit();
    let folder = anna.folder().join("servers/simulated/t.example.secrets");
    let file = folder.join("token_v1.age");
    let value = open(&file, &ben.identity()).unwrap();

    // The last key, one's own and a question without a terminal.
    failed(&anna.run(&["key", "rm", "nobody"]), 1, &["no recipient is called `nobody`"]);
    failed(&anna.run(&["key", "rm", "ben"]), 6, &["needs your consent", "--yes"]);
    let own = anna.run(&["key", "rm", "anna", "--yes"]);
    failed(&own, 1, &["is not among those that remain"]);
    assert_eq!(open(&file, &ben.identity()).unwrap(), value);

    let run = anna.good(&["key", "rm", "ben", "--yes"]);
    assert!(run.stderr.contains("Encrypted 1 secret anew"), "{run}");
    assert!(run.stderr.contains("  potluck app secret rotate t.example token\n"), "{run}");
    assert!(open(&file, &ben.identity()).is_err());
    assert_eq!(open(&file, &anna.identity()).unwrap(), value);
    failed(&anna.run(&["key", "rm", "anna", "--yes"]), 1, &["`anna` is the last one"]);
    anna.commit();
    ben.pull(&anna);
    assert!(ben.shown("token").unwrap_err().contains("not encrypted for your key"));

    // A merge with a branch that still has him, beside a line that changed, does not bring
    // him back.
    let recipients = fs::read_to_string(anna.folder().join("recipients")).unwrap();
    assert!(recipients.contains("# removed age1"), "{recipients}");
    let merged = format!("{recipients}# ben\n{}\n", ben.public());
    fs::write(anna.folder().join("recipients"), merged).unwrap();
    let keys = anna.good(&["key", "ls", "--json"]).stdout;
    assert!(!keys.contains("\"ben\""), "{keys}");

    let due = |person: &Person| {
        let rows = person.good(&["app", "secret", "ls", APP, "--json"]).stdout;
        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
        let rows = rows.as_array().unwrap().iter();
        let current = rows.filter(|row| row["current"] == true && row["name"] == "token");
        current.map(|row| row["rotate_because_of"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(due(&anna), [serde_json::json!(["ben"])]);
    let list = anna.good(&["app", "secret", "ls", APP]);
    assert!(list.stderr.contains("token could be read by ben, who was removed"), "{list}");
    let run = anna.good(&["app", "secret", "rotate", APP]);
    assert!(
        run.stderr.contains("Made token v2; the settings have SECRET_TOKEN_VERSION=v2"),
        "{run}"
    );
    assert!(run.stderr.contains("`potluck app deploy t.example`"), "{run}");
    let env = fs::read_to_string(anna.folder().join("servers/simulated/t.example.env")).unwrap();
    assert!(env.contains("SECRET_TOKEN_VERSION=v2 # length=24 charset=hex\n"), "{env}");
    assert_eq!(due(&anna), [serde_json::json!([])]);
    assert_ne!(anna.shown("token").unwrap().as_bytes(), value);
    assert!(open(&folder.join("token_v2.age"), &ben.identity()).is_err());
    failed(&anna.run(&["app", "secret", "rotate", APP]), 2, &["no secret is due"]);
}

#[test]
fn an_empty_server_gets_its_secrets_back_and_none_is_replaced() {
    let lab = lab();
    let value = generate(&lab);
    good(&lab.run_with(&["app", "secret", "insert", APP, "mail_password"], b"mail"));
    // The server is lost: the simulated one is a file.
    fs::remove_dir_all(lab.path("potluck/state")).unwrap();
    let rows = lab.run(&["app", "secret", "ls", APP]);
    assert_eq!(rows.stdout.matches("missing").count(), 2, "{rows}");
    let run = lab.run(&["app", "deploy", APP, "-n"]);
    failed(&run, 1, &["run `potluck app secret restore t.example`"]);
    // A value that data may depend on is not made anew.
    let run = lab.run(&["app", "secret", "generate", APP]);
    good(&run);
    assert!(run.stderr.contains("token is missing on simulated, and a copy is kept"), "{run}");
    assert!(run.stderr.contains("potluck app secret restore t.example"), "{run}");
    let run = lab.run_with(&["app", "secret", "insert", APP, "mail_password"], b"other");
    failed(&run, 1, &["a copy of the secret `mail_password` in version v1 is kept", "restore APP"]);
    let run = lab.run(&["app", "secret", "restore", APP]);
    good(&run);
    assert!(run.stderr.contains("Restored mail_password_v1, token_v1 on simulated."), "{run}");
    let run = lab.run(&["app", "secret", "restore", APP]);
    good(&run);
    assert!(run.stderr.contains("Left mail_password_v1, token_v1 unchanged"), "{run}");
    good(&lab.run(&["app", "deploy", APP, "-n"]));
    assert_eq!(lab.run(&["app", "secret", "show", APP, "token"]).stdout, value);
    // What is removed is removed here, too.
    good(&lab.run(&["app", "undeploy", APP, "-n"]));
    good(&lab.run(&["app", "secret", "rm", APP, "token", "--yes"]));
    assert!(!lab.path(KEPT).join("token_v1.age").exists());
    assert_ne!(generate(&lab), value);
}

#[test]
fn copies_outlive_their_app_until_somebody_removes_them() {
    let lab = lab();
    generate(&lab);
    good(&lab.run(&["app", "rm", APP, "--yes"]));
    let run = lab.run(&["server", "rm", "simulated"]);
    failed(&run, 1, &["t.example.secrets holds encrypted copies", "if no backup needs them"]);
    // An app of this name is not given another value unnoticed.
    good(&lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]));
    let run = lab.run(&["app", "secret", "generate", APP]);
    assert!(run.stderr.contains("a copy is kept"), "{run}");
    good(&lab.run(&["app", "secret", "rm", APP, "--all", "--yes"]));
    generate(&lab);
}

#[test]
fn an_export_goes_to_paper_and_to_another_team() {
    let lab = lab();
    let value = generate(&lab);
    let run = lab.run(&["app", "secret", "export", APP]);
    failed(&run, 3, &["mail_password is left out: no copy of it is kept"]);
    assert!(run.stdout.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{run}");
    assert!(!run.to_string().contains(&value), "{run}");
    lab.write("export.age", &run.stdout);
    good(&lab.run_with(&["app", "secret", "insert", APP, "mail_password"], b"mail"));
    let plain = lab.run(&["app", "secret", "export", APP, "--plain"]);
    good(&plain);
    let read: serde_json::Value = serde_json::from_str(&plain.stdout).unwrap();
    assert_eq!(read["secrets"][1]["value"], value.as_str());
    if has_age() {
        let mut age = Command::new("age");
        let age = age.args(["-d", "-i"]).arg(lab.path(IDENTITY)).arg(lab.path("export.age"));
        assert!(String::from_utf8(age_output(age)).unwrap().contains(&value));
    }
    // Another team: its own key, its own folder.
    let other = Person { lab: &lab, name: "other" };
    other.good(&["key", "new", "--name", "other"]);
    let to = lab.run(&["app", "secret", "export", APP, "--to", &other.public()]);
    good(&to);
    lab.write("to.age", &to.stdout);
    other.good(&["app", "new", "./tiny", "--domain", "u.example", "--server=simulated"]);
    failed(&other.run(&["app", "secret", "import", "u.example", "export.age"]), 1, &["your key"]);
    let run = other.good(&["app", "secret", "import", "u.example", "to.age"]);
    assert!(run.stderr.contains("Stored mail_password, token on simulated."), "{run}");
    let again = other.good(&["app", "secret", "import", "u.example", "to.age"]);
    assert!(again.stderr.contains("Left token unchanged"), "{again}");
    assert_eq!(other.good(&["app", "secret", "show", "u.example", "token"]).stdout, value);
    lab.write("garbage", "planted");
    let run = lab.run(&["app", "secret", "import", APP, "garbage"]);
    failed(&run, 1, &["it is not what `secret export` writes"]);
    assert!(!run.to_string().contains("planted"), "{run}");
}

#[test]
fn what_is_wrong_in_the_shared_folder_is_named_and_harms_nothing() {
    let lab = lab();
    let value = generate(&lab);
    let kept = lab.path(KEPT);
    lab.write("outside", "outside");
    let bad = |name: &str| kept.join(format!("{name}.age"));
    fs::write(bad("garbage_v1"), b"\x00garbage").unwrap();
    fs::write(bad("half_v1"), &fs::read(bad("token_v1")).unwrap()[..150]).unwrap();
    fs::File::create(bad("huge_v1")).unwrap().set_len(1 << 40).unwrap();
    std::os::unix::fs::symlink("../../../../outside", bad("link_v1")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", bad("mail_password_v1")).unwrap();
    fs::create_dir(bad("folder_v1")).unwrap();
    assert!(Command::new("mkfifo").arg(bad("pipe_v1")).status().unwrap().success());
    fs::write(kept.join("..strange name.age"), "x").unwrap();
    let all = ["garbage", "half", "huge", "link", "mail_password", "folder", "pipe"];
    for (name, words) in [
        ("garbage", "it is damaged, or not a file of age"),
        ("half", "it is damaged"),
        ("huge", "it is larger than 2 MiB"),
        ("link", "it is a symbolic link"),
        ("mail_password", "it is a symbolic link"),
        ("folder", "it is not a regular file"),
        ("pipe", "it is not a regular file"),
    ] {
        failed(&lab.run(&["app", "secret", "show", APP, name, "v1"]), 1, &[words]);
    }
    let rows = lab.run(&["app", "secret", "ls", APP]);
    good(&rows);
    assert!(rows.stdout.contains("nobody: the file is damaged"), "{rows}");
    good(&lab.run(&["key", "ls"]));
    // Another user's file is a colleague's.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(bad("token_v1"), Some(12345), Some(12345)).unwrap();
        fs::set_permissions(bad("token_v1"), PermissionsExt::from_mode(0o640)).unwrap();
    }
    assert_eq!(lab.run(&["app", "secret", "show", APP, "token"]).stdout, value);
    // Somebody is added: what can be is encrypted for them, the rest is named.
    let ben = Person { lab: &lab, name: "ben" };
    potluck::secrets::escrow::Identity::create(&ben.identity()).unwrap();
    let run = lab.run(&["key", "add", &ben.public(), "--name", "ben"]);
    failed(&run, 3, &["Encrypted 1 secret anew"]);
    for name in all {
        assert!(run.stderr.contains(&format!("{name}_v1.age was not encrypted anew")), "{run}");
    }
    assert_eq!(open(&bad("token_v1"), &ben.identity()).unwrap(), value.as_bytes());
    // Nobody is removed while something cannot be read.
    let before = fs::read(bad("token_v1")).unwrap();
    let run = lab.run(&["key", "rm", "ben", "--yes"]);
    failed(&run, 1, &["7 secrets cannot be encrypted anew; nothing was changed"]);
    assert_eq!(fs::read(bad("token_v1")).unwrap(), before);
    let run = lab.run(&["app", "secret", "restore", APP]);
    failed(&run, 3, &["link_v1 was not restored: it is a symbolic link"]);
    assert_eq!(fs::read_to_string(lab.path("outside")).unwrap(), "outside");

    // The folder itself leads elsewhere.
    fs::rename(&kept, lab.path("moved")).unwrap();
    std::os::unix::fs::symlink(lab.path("moved"), &kept).unwrap();
    let count = || fs::read_dir(lab.path("moved")).unwrap().count();
    let before = count();
    for arguments in [
        &["app", "secret", "generate", APP][..],
        &["app", "secret", "ls", APP],
        &["app", "secret", "rotate", APP, "token"],
        &["app", "secret", "show", APP, "token"],
        &["key", "rm", "ben", "--yes"],
    ] {
        failed(&lab.run(arguments), 1, &["it is a symbolic link; expected a folder"]);
    }
    assert_eq!(count(), before);
}

#[test]
fn a_list_of_recipients_that_cannot_be_read_names_its_line() {
    let lab = lab();
    let recipients = lab.path("potluck/recipients");
    let good_list = fs::read_to_string(&recipients).unwrap();
    fs::write(&recipients, format!("{good_list}<<<<<<< HEAD\n")).unwrap();
    let line = good_list.lines().count() + 1;
    for arguments in [
        &["app", "secret", "generate", APP][..],
        &["app", "secret", "insert", APP, "token"],
        &["key", "ls"],
        &["key", "new"],
        &["key", "rm", "anna", "--yes"],
    ] {
        let run = lab.run_with(arguments, b"x");
        failed(&run, 1, &[&format!("recipients, line {line}: `<<<<<<< HEAD` is not a recipient")]);
    }
    let run = lab.run(&["key", "ls", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(error["error"]["line"], line);
    // Nothing was made that would not be kept.
    fs::write(&recipients, &good_list).unwrap();
    let rows = lab.json(&["app", "secret", "ls", APP, "--json"]);
    assert!(rows.as_array().unwrap().iter().all(|row| row["id"].is_null()), "{rows}");
    fs::remove_file(&recipients).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &recipients).unwrap();
    failed(&lab.run(&["key", "ls"]), 1, &["it is a symbolic link"]);
    failed(&lab.run(&["key", "new"]), 1, &["it is a symbolic link"]);
    // git's rules through a link would copy what it leads to.
    fs::remove_file(&recipients).unwrap();
    fs::remove_file(lab.path("potluck/.gitattributes")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", lab.path("potluck/.gitattributes")).unwrap();
    failed(&lab.run(&["key", "new"]), 1, &["it is a symbolic link"]);
}

#[test]
fn a_granted_plugin_is_told_a_kept_value_and_others_hear_why_not() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
    let Ok(component) = fs::read(component) else {
        skip::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return;
    };
    let lab = Lab::new();
    lab.tiny_recipe();
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: every\n    component: every.wasm\n    grants: [{secret: token}]\n",
    );
    fs::write(lab.path("tiny/every.wasm"), component).unwrap();
    good(&lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]));
    let run_hook = ["plugin", "run", "every", "commands.run", "reveal", "token", "--app", APP];
    let reveal = [&run_hook[..], &["--grant", "secret: token"]].concat();
    generate(&lab);
    failed(&lab.run(&reveal), 1, &["no copy of `t_example_token_v1` is kept"]);
    good(&lab.run(&["key", "new", "--name", "anna"]));
    good(&lab.run(&["app", "secret", "rotate", APP, "token"]));
    let value = lab.run(&["app", "secret", "show", APP, "token"]).stdout;
    let run = lab.run(&reveal);
    good(&run);
    assert!(run.stdout.contains(&value), "{run}");
    // Without the key, as under cron.
    fs::rename(lab.path(IDENTITY), lab.path("away")).unwrap();
    failed(&lab.run(&reveal), 1, &["there is no key at "]);
    let run = lab.command().env("POTLUCK_IDENTITY", lab.path("away")).args(&reveal).output();
    assert!(run.unwrap().status.success());
    // Without the grant.
    let run = lab.run(&[
        "plugin",
        "run",
        "every",
        "commands.run",
        "reveal",
        "mail_password",
        "--app",
        APP,
    ]);
    failed(&run, 1, &["secret: mail_password"]);
}

#[test]
fn what_a_plugin_stores_is_kept_too() {
    let lab = Lab::new();
    lab.tiny_recipe();
    let mut data = Data::new();
    let (name, value) = (data.string("mail_password"), data.string("made by a plugin"));
    let put = data.call("put", &[name, value], &[]) + &fail_with_error();
    let guest = Guest::new(&["lifecycle"]).items(&data.items()).import("secrets", "put").hook(
        "lifecycle",
        "check",
        &put,
    );
    fs::write(lab.path("tiny/maker.wasm"), guest.binary()).unwrap();
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: maker\n    component: maker.wasm\n    grants: [{secret: mail_password}]\n",
    );
    good(&lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]));
    let grant = ["--grant", "secret: mail_password"];
    let check = [&["plugin", "run", "maker", "check", "--app", APP][..], &grant].concat();
    let run = lab.run(&check);
    good(&run);
    assert!(run.stderr.contains("mail_password: no copy is kept"), "{run}");
    good(&lab.run(&["app", "secret", "rm", APP, "mail_password", "--yes"]));
    good(&lab.run(&["key", "new", "--name", "anna"]));
    let run = lab.run(&check);
    good(&run);
    assert!(!run.stderr.contains("no copy is kept"), "{run}");
    let shown = lab.run(&["app", "secret", "show", APP, "mail_password"]);
    assert_eq!(shown.stdout, "made by a plugin", "{shown}");
    // A list that cannot be read stops what would not be kept.
    fs::write(lab.path("potluck/recipients"), "<<<<<<<\n").unwrap();
    let run = lab.run(&check);
    failed(&run, 1, &["recipients, line 1: "]);
}
