//! Draws figures from a database, and compares them with those that the folders give.

mod slow {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use crate::mongo_server::Server;
    use crate::runs::database;

    fn analysis(arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_llc-analysis")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn figures_tables_and_reports_of_a_database_are_those_of_the_folders() {
        let server = Server::start();
        let (address, _database) = database(&server.host);
        let place = format!("{}:{}", server.host, address.database());
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name).to_str().unwrap().to_owned();
        let runs = path("runs");
        let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
        let names = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut ids: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        for (number, id) in (1..).zip(ids) {
            // Numbered as the database will number them.
            let path = Path::new(&runs).join(format!("{number}"));
            copy(&records.join(id.to_string()), &path);
            // The fixtures leave out what repeats the report.
            if let (Ok(report), false) = (fs::read_to_string(path.join("report.json")), path.join("info.json").exists())
            {
                fs::write(path.join("info.json"), format!("{{\"report\": {report}}}")).unwrap();
            }
        }
        analysis(&["runs", "sync", &runs, "-m", &place]);

        analysis(&["figures", "-F", &runs, "-o", &path("of-folders")]);
        analysis(&["figures", "-m", &place, "-o", &path("of-database")]);
        // Paths name the runs: all else is equal, to the last digit.
        let absolute = fs::canonicalize(&runs).unwrap();
        let without_places = |folder: &str, name: &str| {
            let text = fs::read_to_string(Path::new(&path(folder)).join(name)).unwrap();
            [runs.as_str(), absolute.to_str().unwrap(), &address.to_string()]
                .iter()
                .fold(text, |text, place| text.replace(&format!("{place}/"), ""))
        };
        let mut num_compared = 0;
        for entry in fs::read_dir(path("of-folders")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".csv") {
                assert_eq!(without_places("of-database", &name), without_places("of-folders", &name), "{name}");
                num_compared += 1;
            }
        }
        assert!(num_compared >= 21, "{num_compared}");

        assert_eq!(analysis(&["table", "-m", &place, "--csv"]), analysis(&["table", "-F", &runs, "--csv"]));
        analysis(&["report", "1", "-m", &place, "-o", &path("report.html")]);
        let page = fs::read_to_string(path("report.html")).unwrap();
        assert!(page.contains("<h3>Chains</h3>") && page.contains("<h3>Ranks</h3>"), "the draws came along");
    }
}
