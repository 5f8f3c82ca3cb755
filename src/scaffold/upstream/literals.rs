//! Values that are written where a password belongs: in files that are mounted, in variables and
//! in commands.
//!
//! This parses no language: it finds names in a line, with the value behind them, as JSON, YAML,
//! INI, XML, PHP, Python, SQL and shells write both. What only may be a password is `certain:
//! false`: a person decides, and nothing is replaced.

use std::ops::Range;

use super::{draft::is_distinct, judge};

/// A value that is a password, or may be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What says so: the name before it, or the option.
    pub name: String,
    /// Where it is in the text, in bytes.
    pub range: Range<usize>,
    /// Its line, from 1.
    pub line: usize,
    /// Whether it is a password as a whole, and nothing else.
    pub certain: bool,
    /// Whether it is in quotes, or behind an equals sign: more than a word behind a colon.
    pub is_bound: bool,
}

/// A shorter value is none.
const SHORTEST: usize = 3;
/// A longer one is none either; the bound keeps foreign lines from being read again and again.
const LONGEST: usize = 4096;
/// Options of programs of databases whose value is a password, right behind them or next.
const MYSQL: &[&str] =
    &["mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump", "mariadb-admin"];
const WITH_P: &[&str] = &["mongo", "mongosh", "mongodump", "mongorestore", "sshpass"];

/// All of a file, in order.
pub fn find(path: &str, text: &str) -> Vec<Literal> {
    let is_code = is_code(path);
    let mut found: Vec<Literal> = vec![];
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let body = line.trim_end_matches(['\n', '\r']);
        let begin = body.trim_start();
        let is_comment =
            ["#", ";", "//", "-- ", "<!--", "* "].iter().any(|it| begin.starts_with(it));
        let mut here = addresses(body);
        here.extend(identified(body));
        here.extend(pairs(body, is_code));
        here.extend(options(body));
        here.sort_by_key(|it| (it.range.start, !it.certain));
        let mut last = 0;
        for mut literal in here {
            let value = &body[literal.range.clone()];
            if literal.range.start < last || is_comment && !is_distinct(value) {
                continue;
            }
            last = literal.range.end;
            literal.certain &= !is_comment;
            literal.line = index + 1;
            literal.range = literal.range.start + offset..literal.range.end + offset;
            found.push(literal);
        }
        offset += line.len();
    }
    found
}

/// In programs, only what is in quotes is a value.
fn is_code(path: &str) -> bool {
    const ENDINGS: &[&str] = &["cjs", "go", "js", "lua", "mjs", "php", "pl", "py", "rb", "ts"];
    path.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

fn literal(name: &str, range: Range<usize>, certain: bool, is_bound: bool) -> Literal {
    Literal { name: name.to_owned(), range, line: 1, certain, is_bound }
}

/// Passwords of addresses, `postgres://user:password@host`.
fn addresses(line: &str) -> Vec<Literal> {
    let apart = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',');
    let mut found = vec![];
    for word in line.split(apart) {
        // Behind a name and its separator, as in `url=`.
        let word =
            word.rsplit_once('=').filter(|(_, it)| it.contains("://")).map_or(word, |it| it.1);
        let begin = word.as_ptr() as usize - line.as_ptr() as usize;
        if let Some(range) = judge::in_address(word)
            && !word[range.clone()].contains(['$', '{', '%'])
        {
            found.push(literal("password", begin + range.start..begin + range.end, true, true));
        }
    }
    found
}

/// `IDENTIFIED BY 'x'`, with what may be between the words.
fn identified(line: &str) -> Option<Literal> {
    let upper = line.to_ascii_uppercase();
    let begin = upper.find("IDENTIFIED ")?;
    let by = begin + upper[begin..].find("BY ")? + "BY ".len();
    let value = value(line, by, true)?;
    let certain = certain(&line[value.range.clone()], true)?;
    Some(literal("db_password", value.range, certain, true))
}

/// `password = x`, `"token": "x"`, `'secret' => 'x'`, `define('KEY', 'x')`, `<password>x<`,
/// `PASSWORD 'x'`.
fn pairs(line: &str, is_code: bool) -> Vec<Literal> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let bytes = line.as_bytes();
    let mut found = vec![];
    let mut at = 0;
    while at < bytes.len() {
        if !is_name(bytes[at]) {
            at += 1;
            continue;
        }
        let begin = at;
        while at < bytes.len() && is_name(bytes[at]) {
            at += 1;
        }
        let name = line[begin..at].trim_matches(['-', '.']);
        if !is_secret_name(name) {
            continue;
        }
        let Some(value) = behind(line, begin, at, is_code) else { continue };
        if let Some(certain) = certain(&line[value.range.clone()], value.is_quoted) {
            let name = name.rsplit('.').next().unwrap_or(name);
            at = value.range.end;
            found.push(literal(name, value.range, certain && value.is_certain, value.is_bound));
        }
    }
    found
}

/// In a file `pass` and `pwd` are passwords: there is no working folder.
fn is_secret_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    ["pass", "pwd", "pw", "requirepass", "masterauth"].contains(&last.as_str())
        || judge::is_secret_name(name)
}

/// A value, and how it is written.
struct Value {
    range: Range<usize>,
    is_quoted: bool,
    is_bound: bool,
    is_certain: bool,
}

/// The value behind the name that is at these bytes.
fn behind(line: &str, begin: usize, end: usize, is_code: bool) -> Option<Value> {
    let before = line[..begin].chars().next_back();
    let after = &line[end..];
    if before == Some('<') {
        let length = after.strip_prefix('>')?.find('<')?;
        let range = end + 1..end + 1 + length;
        return Some(Value { range, is_quoted: true, is_bound: true, is_certain: true });
    }
    let quote = before.filter(|c| matches!(c, '"' | '\''));
    let rest = match quote {
        Some(quote) => after.trim_start_matches('\\').strip_prefix(quote)?,
        None => after,
    };
    let rest = rest.trim_start_matches(']');
    let has_blank = rest.starts_with(char::is_whitespace);
    let rest = rest.trim_start();
    let at = |rest: &str| line.len() - rest.len();
    for separator in ["=>", ":=", "=", ":"] {
        if let Some(rest) = rest.strip_prefix(separator) {
            let mut value = value(line, at(rest), is_code)?;
            value.is_bound = value.is_quoted || separator == "=";
            return Some(value);
        }
    }
    if quote.is_some() {
        let call = line.as_bytes()[..begin - 1].trim_ascii_end();
        let defines =
            call.last_chunk().is_some_and(|it: &[u8; 7]| it.eq_ignore_ascii_case(b"define("));
        let rest = match defines {
            true => rest.strip_prefix(',')?,
            false => rest.strip_prefix("value=")?,
        };
        return value(line, at(rest), true);
    }
    if has_blank && rest.starts_with(['"', '\'']) {
        return value(line, at(rest), true);
    }
    // `requirepass x` of Redis, `password x` of others.
    let is_alone =
        line[..begin].trim_start().is_empty() && rest.split_whitespace().take(2).count() == 1;
    let name = &line[begin..end];
    let is_redis = ["requirepass", "masterauth"].contains(&name);
    let is_other = ["pass", "passwd", "password", "secret"].contains(&name);
    if !has_blank || !is_alone || is_code || !(is_redis || is_other && is_distinct(rest.trim())) {
        return None;
    }
    let value = value(line, at(rest), false)?;
    Some(Value { is_certain: is_redis, ..value })
}

/// The value at a place of a line: in quotes, or up to what ends one.
fn value(line: &str, at: usize, only_quoted: bool) -> Option<Value> {
    let rest = line[at..].trim_start();
    // Quotes within a text in quotes.
    let rest = rest.strip_prefix('\\').filter(|it| it.starts_with('"')).unwrap_or(rest);
    let begin = line.len() - rest.len();
    let made = |range, is_quoted| Value { range, is_quoted, is_bound: is_quoted, is_certain: true };
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let body = &rest[1..];
        let mut is_escaped = false;
        for (index, c) in body.char_indices().take(LONGEST) {
            if c == quote && !is_escaped {
                let end = body[..index].strip_suffix('\\').map_or(index, str::len);
                return Some(made(begin + 1..begin + 1 + end, true));
            }
            // `\"` ends a text that began with one.
            is_escaped = c == '\\' && !is_escaped && !line[..begin].ends_with('\\');
        }
        return None;
    }
    if only_quoted {
        return None;
    }
    let mut depth = 0_usize;
    let mut end = rest.len();
    for (index, c) in rest.char_indices() {
        match c {
            _ if index > LONGEST => return None,
            '{' if rest[..index].ends_with('$') => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c if c.is_whitespace() || ";,<&\"'".contains(c) => {
                end = index;
                break;
            }
            _ => {}
        }
    }
    Some(made(begin..begin + end, false))
}

/// Whether a value is a password as a whole; none if it is no value at all, but a variable, a
/// switch, or a part of a program.
fn certain(value: &str, is_quoted: bool) -> Option<bool> {
    let refers = ["${", "{{", "$(", "<%"].iter().any(|it| value.contains(it))
        || value.starts_with(['=', ':', '!', '*', '&', '|', '>', '[', '{', '@', '$'])
        || value.starts_with('<') && value.ends_with('>')
        || value.starts_with('%') && value.ends_with('%');
    if value.chars().count() < SHORTEST || refers || !judge::is_secret_value(value) {
        return None;
    }
    let is_odd = value.contains(['$', '(', ')', '<', '>', '{', '}', '%', '\\']);
    if !is_quoted && is_odd {
        return None;
    }
    // A sentence about passwords, rather than one.
    let is_sentence = value.split_whitespace().count() > 2;
    Some(!is_odd && !is_sentence)
}

/// Passwords in the arguments of well-known programs: `mysql -px`, `curl -u a:b`.
fn options(line: &str) -> Vec<Literal> {
    let mut words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || "\"'`,[]".contains(c)).collect();
    words.retain(|word| !word.is_empty());
    let runs = |names: &[&str]| {
        words.iter().any(|word| names.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    let (mysql, with_p, curl) = (runs(MYSQL), runs(WITH_P), runs(&["curl", "wget"]));
    let redis = runs(&["redis-cli", "valkey-cli"]);
    let mut found = vec![];
    let mut add = |name: &str, value: &str| {
        if value.len() >= SHORTEST && !value.contains(['$', '{']) {
            let begin = value.as_ptr() as usize - line.as_ptr() as usize;
            found.push(literal(name, begin..begin + value.len(), false, true));
        }
    };
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or_default();
        let is_pair = |text: &str| text.contains(':') && !text.contains("://");
        match *word {
            "-p" if with_p || is_mixed(next) => add("-p", next),
            "-a" if redis => add("-a", next),
            "-u" | "--user" if curl && is_pair(next) => add(word, next),
            "Basic" | "Bearer" if is_distinct(next) => add(word, next),
            _ => {}
        }
        if let Some(value) = word.strip_prefix("-p").filter(|_| mysql) {
            add("-p", value);
        }
        if let Some(value) = word.strip_prefix("-u").filter(|value| curl && is_pair(value)) {
            add("-u", value);
        }
    }
    found
}

/// Whether a word is neither a name, a path nor a number.
fn is_mixed(word: &str) -> bool {
    is_distinct(word)
        && !word.contains(['/', ':', '.'])
        && word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
}

/// Where the password is in a value: in an address, in the query of one, in a list such as
/// `Server=db;Password=x`, in JSON.
pub fn password_in(text: &str) -> Option<Range<usize>> {
    first(text).map(|literal| literal.range)
}

/// The same, with the name that says so.
pub fn first(text: &str) -> Option<Literal> {
    let is_one = |literal: &Literal| literal.certain && literal.is_bound;
    let in_address = judge::in_address(text).map(|range| literal("password", range, true, true));
    in_address.or_else(|| find("", text).into_iter().find(is_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let shown = |it: Literal| {
            let sign = if it.certain { "=" } else { "?" };
            format!("{}:{}{sign}{}", it.line, it.name, &text[it.range])
        };
        find(path, text).into_iter().map(shown).collect()
    }

    #[test]
    fn passwords_are_found_in_values() {
        for (text, password) in [
            ("postgres://me:hunter2@db:5432/x", Some("hunter2")),
            ("Server=db;User Id=sa;Password=mssqlPw1!;", Some("mssqlPw1!")),
            ("mysql:host=db;dbname=x;password=pdopw1234", Some("pdopw1234")),
            ("jdbc:mysql://db/x?user=u&password=jdbcpw55", Some("jdbcpw55")),
            ("{\"user\":\"root\",\"password\":\"jsonpw999\"}", Some("jsonpw999")),
            ("-Xmx1g -Ddb.password=javapw12", Some("javapw12")),
            ("Server=db;Password=${PW};", None),
            ("Reset the password: click here", None),
            ("https://example.org/?token_ttl=300", None),
        ] {
            assert_eq!(password_in(text).map(|range| &text[range]), password, "{text}");
        }
    }

    #[test]
    fn passwords_are_found_in_files_of_all_kinds() {
        for (path, text, expected) in [
            (
                "a.ini",
                "password = hunter2\n# password = no\npass=abc\n",
                &["1:password=hunter2", "3:pass=abc"][..],
            ),
            ("a.ini", "# password = hunter-2-old\n", &["1:password?hunter-2-old"]),
            (
                "a.json",
                "{\"db\":{\"password\":\"jsonpw777\"},\"apiToken\":\"tok_1\"}",
                &["1:password=jsonpw777", "1:apiToken=tok_1"],
            ),
            ("a.json", "{\n \"secretKey\" : \"s1s2s3\"\n}", &["2:secretKey=s1s2s3"]),
            ("a.json", "{\"conn\":\"Server=x;Password=connpw888;\"}", &["1:Password=connpw888"]),
            (
                "a.xml",
                "<c><password>xmlpw</password><r password=\"attr5\"/></c>",
                &["1:password=xmlpw", "1:password=attr5"],
            ),
            ("a.xml", "<add key=\"DbPassword\" value=\"v123\"/>", &["1:DbPassword=v123"]),
            (
                "a.php",
                "$c['db_pass'] = 'php1'; define('DB_PASSWORD', 'wp2'); ['password' => 'arr3']",
                &["1:db_pass=php1", "1:DB_PASSWORD=wp2", "1:password=arr3"],
            ),
            (
                "a.py",
                "D = {'default': {'PASSWORD': 'djpw', 'USER': 'x'}}\nPASSWORD = os.environ['X']\nTOKEN = settings.token\n",
                &["1:PASSWORD=djpw"],
            ),
            (
                "a.sql",
                "create role x with login password 'sqlpw';\nCREATE USER y IDENTIFIED WITH z BY 'by123';",
                &["1:password=sqlpw", "2:db_password=by123"],
            ),
            (
                "a.sh",
                "mysql -uroot -prootpw99 -e x\nexport PGPASSWORD=shpw1\ncurl -u admin:curlpw1 http://x\n",
                &["1:-p?rootpw99", "2:PGPASSWORD=shpw1", "3:-u?admin:curlpw1"],
            ),
            ("a.sh", "mysql -p$PW\nPASSWORD=\"$X\"\nTOKEN=$(cat x)\n", &[]),
            (
                "a.yml",
                "pass: wikijs\npassword: ${X}\nsecret: !vault x\ntoken_ttl: 300\ntoken: {{ x }}\n",
                &["1:pass=wikijs"],
            ),
            (
                "a.conf",
                "requirepass foobared\nproxy_pass http://app;\nproxy_pass upstream_1;\n",
                &["1:requirepass=foobared"],
            ),
            ("a.toml", "url = \"mysql://u:tomlurl45@db/x\"", &["1:password=tomlurl45"]),
            ("a.js", "if (password == 'abc') {}\nlogin({password: password})\n", &[]),
            (
                "a.json",
                "{\"password\": \"Enter a new password\"}",
                &["1:password?Enter a new password"],
            ),
            (
                "a.conf",
                "proxy_set_header Authorization \"Basic YWRtaW46c2Vj\";",
                &["1:Basic?YWRtaW46c2Vj"],
            ),
            ("a.yml", "x: '{\\\"password\\\": \\\"esc1\\\"}'", &["1:password=esc1"]),
            (
                "a.yml",
                "password: é\u{301}é\u{301}é\n\u{feff}token: ü\"",
                &["1:password=é\u{301}é\u{301}é"],
            ),
        ] {
            assert_eq!(found(path, text), expected, "{text}");
        }
    }
}
