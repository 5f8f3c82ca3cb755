//! Whatever the project: the recipe is readable, the same each time, and has none of its passwords.

use proptest::prelude::*;

use super::{Adapted, adapt, read};

/// A password of the project, which can be in many places at once.
fn password(number: usize) -> String {
    format!("zq{number}-hidden-{number}")
}

const IMAGES: &[&str] = &[
    "postgres:17",
    "mariadb:11",
    "redis:7",
    "mongo:7",
    "matomo:5-apache",
    "gitea/gitea:1.24",
    "ghcr.io/goauthentik/server:2025.10",
    "ghcr.io/plausible/community-edition:v3",
    "n8nio/n8n:1",
    "example/unknown:1.0",
    "nginx:1.28",
    "${IMAGE:-example/unknown}:${TAG}",
];

/// Places for a password, with `@` where it is.
const PLACES: &[&str] = &[
    "    environment:\n      DB_PASSWORD: @\n",
    "    environment:\n      - MYSQL_ROOT_PASSWORD=@\n      - MYSQL_PASSWORD=@\n",
    "    environment:\n      POSTGRES_PASSWORD: ${PG_PASS:-@}\n",
    "    environment:\n      DATABASE_URL: postgres://me:@@db:5432/x?a=${B}\n",
    "    environment:\n      DATABASE_URL: ${DATABASE_URL:-postgres://me:@@db/x}\n",
    "    environment:\n      GITEA__database__PASSWD: '@'\n      AUTHENTIK_SECRET_KEY: ${FROM_ENV}\n",
    "    environment: [FROM_ENV_TOKEN]\n    command: serve --api-token ${FROM_ENV_TOKEN}\n",
    "    command: redis-server --requirepass @ --save ''\n",
    "    command: [server, --db-password=@, 'x y']\n",
    "    command: serve mysql://me:@@db/x\n",
    "    environment: {ADMIN_PASSWORD: @}\n    healthcheck: {test: [CMD, check, '-p@']}\n    labels: ['x=@']\n",
    "    environment: {ADMIN_PASSWORD: @}\n    healthcheck: {test: 'check -p @ || exit 1'}\n    labels: {about: 'pw @'}\n",
    "    env_file: more.env\n",
    "    env_file: [.env, more.env]\n    environment: {SMTP_PASSWORD: @}\n",
    "    volumes: ['./app.ini:/etc/app.ini:ro', './conf:/etc/conf.d:ro']\n",
    "    secrets: [token]\n",
    "    ports: ['80:80', '127.0.0.1:9443:9443', '53:53/udp']\n    volumes: ['/x', './data:/data']\n",
];

fn recipe(services: &[(usize, Vec<usize>)]) -> Adapted {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mut compose = String::from("services:\n");
    for (number, (image, places)) in services.iter().enumerate() {
        compose += &format!("  s{number}:\n    image: {}\n", IMAGES[image % IMAGES.len()]);
        let mut keys: Vec<&str> = vec![];
        for place in places {
            let text = PLACES[place % PLACES.len()];
            let key = |line: &str| line.starts_with("    ") && !line.starts_with("     ");
            let new: Vec<&str> = text
                .lines()
                .filter(|line| key(line))
                .map(|line| line.trim().split(':').next().unwrap())
                .collect();
            if new.iter().any(|key| keys.contains(key)) {
                continue;
            }
            keys.extend(new);
            // `@@` is a password before the `@` of an address.
            let password = password(place % 3);
            compose += &text
                .replace("@@", "\u{1}@")
                .replace(":@", &format!(":{password}"))
                .replace('\u{1}', &password)
                .replace(" @", &format!(" {password}"))
                .replace("=@", &format!("={password}"))
                .replace("'@'", &password)
                .replace("-p@", &format!("-p{password}"));
        }
    }
    compose += "secrets: {token: {file: ./token.txt}}\n";
    write("compose.yml", &compose);
    write(
        ".env",
        &format!(
            "# {}\nPG_PASS={}\nFROM_ENV={}\nFROM_ENV_TOKEN={}\nTAG=1\nB=c\n",
            password(0),
            password(0),
            password(1),
            password(2)
        ),
    );
    write(
        "more.env",
        &format!(
            "# OTHER_PASSWORD={}\nSECRET_KEY={}\nURL=redis://:{}@s0:6379/0\nPLAIN=yes\n",
            password(1),
            password(1),
            password(2)
        ),
    );
    write("app.ini", &format!("[a]\npassword = {}\nurl = x://y:{}@z\n", password(0), password(1)));
    write("conf/a.json", &format!("{{\"token\": \"{}\", \"b\": \"{{{{x}}}}\"}}\n", password(2)));
    write("token.txt", &password(0));
    adapt("wiki", &read(folder.path()).unwrap_or_else(|error| panic!("{compose}\n{error}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_password_is_left(
        services in prop::collection::vec((0..IMAGES.len(), prop::collection::vec(0..PLACES.len(), 0..4)), 1..5)
    ) {
        let adapted = recipe(&services);
        prop_assert_eq!(&adapted, &recipe(&services));
        for (file, text) in &adapted.files {
            prop_assert!(!text.contains("-hidden-"), "{}: {}", file, text);
            if file.ends_with(".yml") {
                let read = crate::yaml::document(text);
                prop_assert!(read.is_ok(), "{}: {}\n{:?}", file, text, read);
            }
        }
        prop_assert!(!format!("{:?}", adapted.log).contains("-hidden-"), "{:?}", adapted.log);
    }
}
