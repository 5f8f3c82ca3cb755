//! The example recipe's plugin, as `plugins/build.sh` makes it, fits the host.

mod hostile;

use std::{path::Path, sync::Arc, time::Instant};

use hostile::*;
use potluck::plugin::{BackupItem, Error, Role, Runtime};

#[tokio::test]
async fn the_example_plugin_loads_and_plans() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recipes-examples/wordpress/plugins/wordpress.wasm");
    let guest = match std::fs::read(&path) {
        Ok(guest) => guest,
        Err(error) => return skip(&format!("{} is not there: {error}", path.display())),
    };
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World::default());
    // Compiled, then from the cache; the times are for whoever reads the output.
    for run in ["compiled", "cached"] {
        let start = Instant::now();
        let runtime = Runtime::new(folder.path()).unwrap();
        let plugin = runtime.load("wordpress", &guest).await.unwrap();
        assert_eq!(roles(&plugin), [Role::Lifecycle, Role::Backup, Role::Commands]);
        assert!(plugin.imports().iter().all(|import| import.starts_with("potluck:recipe/")));
        let loaded = start.elapsed();

        let mut surroundings = surroundings(&world, &["exec: app", "exec: db"]);
        surroundings.options = serde_json::json!({"app": "app", "database": "db"});
        let mut hooks = plugin.start(surroundings).await.unwrap();
        let plan = hooks.backup_plan().await.unwrap();
        println!("{run}: loaded in {loaded:?}, first hook done after {:?}", start.elapsed());
        assert!(matches!(&plan[0], BackupItem::Dump { service, .. } if service == "db"));
        assert!(matches!(&plan[1], BackupItem::Volume { .. }));
        let specs = hooks.command_specs().await.unwrap();
        assert!(specs.iter().any(|spec| spec.name == "reset-admin-password"), "{specs:?}");
    }

    let plugin = Runtime::new(folder.path()).unwrap().load("wordpress", &guest).await.unwrap();
    let mut hooks = plugin.start(surroundings(&world, &["exec: app"])).await.unwrap();
    assert!(matches!(hooks.backup_plan().await, Err(Error::Denied { .. })));
}
