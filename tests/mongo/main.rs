//! Delivers runs to a real MongoDB server, healthy and not, and looks at them with Sacred's readers.
#![cfg(feature = "mongo")]

mod analysis;
#[path = "../common/mongo_server.rs"]
mod mongo_server;
mod omniboard;
mod outages;
mod proxy;
mod runs;
#[path = "../common/skip.rs"]
mod skip;

mod slow {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::thread;

    use llc::mongo::address::Address;
    use llc::mongo::{Delivery, Extent, source};
    use llc::record::read::Run;
    use md5::{Digest as _, Md5};
    use mongodb::bson::{Document, doc};
    use serde_json::{Value, json};

    use crate::mongo_server::Server;
    use crate::runs::{
        Recorded, assert_metrics, complete, database, metrics_json, num_runs, run_document, stored_metrics,
    };

    fn script() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mongo/readers.py")
    }

    fn md5(path: &Path) -> String {
        Md5::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn the_documents_have_the_fields_and_types_of_sacreds_own() {
        let server = Server::start();
        let (address, _database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        complete(base.path(), std::slice::from_ref(&address));
        let folder = base.path().to_str().unwrap();
        let seen = server.python(&script(), &["shapes", address.database(), folder]);
        let (sacred, ours) = (&seen["sacred"], &seen["llc"]);

        for (key, kind) in sacred["runs"].as_object().unwrap() {
            assert!(ours["runs"].get(key).is_some(), "{key}");
            // These hold what each program has to say.
            if !["experiment", "host", "info", "meta"].contains(&key.as_str()) {
                assert_eq!(&ours["runs"][key], kind, "{key}");
            }
        }
        let additions: Vec<&String> =
            ours["runs"].as_object().unwrap().keys().filter(|key| sacred["runs"].get(key).is_none()).collect();
        assert_eq!(additions, ["fail_trace"], "Sacred has it where a run failed");
        for key in ["base_dir", "dependencies", "mainfile", "name", "repositories", "sources"] {
            assert!(ours["runs"]["experiment"].get(key).is_some(), "experiment.{key}");
        }
        for key in ["command", "comment", "config_updates", "named_configs", "options"] {
            assert!(ours["runs"]["meta"].get(key).is_some(), "meta.{key}");
        }
        assert_eq!(ours["runs"]["info"]["metrics"], sacred["runs"]["info"]["metrics"]);
        for of in [ours, sacred] {
            assert!(of["metric_ids"].as_array().unwrap().iter().all(|is_linked| is_linked == true));
            assert_eq!(of["content_type"], "text/csv");
        }
        for kind in ["metrics", "files", "chunks"] {
            assert_eq!(ours[kind], sacred[kind], "{kind}");
        }
        let indexes = |collection: &str| seen["indexes"][collection].clone();
        let expected = json!({"[('_id', 1)]": false, "[('files_id', 1), ('n', 1)]": true});
        let unique = |indexes: &Value, key: &str| indexes[key] == expected[key];
        assert!(unique(&indexes("fs.chunks"), "[('files_id', 1), ('n', 1)]"), "{}", seen["indexes"]);
        assert!(indexes("fs.files").get("[('filename', 1), ('uploadDate', 1)]").is_some(), "{}", seen["indexes"]);
        assert!(indexes("metrics").get("[('run_id', 1), ('name', 1)]").is_some(), "{}", seen["indexes"]);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn incense_and_pymongo_see_the_run_that_the_folder_holds() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), std::slice::from_ref(&address));
        let seen = server.python(&script(), &["incense", address.database(), "1"]);
        assert_eq!(
            (&seen["status"], &seen["result"], &seen["verdict"]),
            (&json!("COMPLETED"), &json!(30.25), &json!("good"))
        );
        assert_eq!((&seen["seed"], &seen["gamma"], &seen["name"]), (&json!(7), &json!(2.5), &json!("synthetic")));
        assert_eq!((&seen["all"], &seen["by_name"], &seen["latest"]), (&json!([1]), &json!([1]), &json!(1)));
        assert!(seen["captured_out"].as_str().unwrap().ends_with("the last words\n"));
        for (name, series) in metrics_json(&run.run_dir).as_object().unwrap() {
            let expected = json!({"steps": series["steps"], "values": series["values"]});
            assert_eq!(seen["metrics"][name], expected, "{name}");
        }
        let kinds = json!({"curve.csv": "CSVArtifact", "report.json": "Artifact", "draws.zarr.zip": "Artifact"});
        assert_eq!(seen["artifacts"], kinds);
        for name in ["curve.csv", "report.json"] {
            assert_eq!(seen["md5"][name], md5(&run.run_dir.join(name)), "{name}");
        }
        assert_metrics(&database, 1, &run.run_dir);
        assert_eq!(run.observers.failures(), &[] as &[String]);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn runs_are_read_from_the_database_as_from_their_folders() {
        let server = Server::start();
        let (address, _database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), std::slice::from_ref(&address));
        let expected = Run::open(&run.run_dir).unwrap();
        let found = source::find(&address, 1).unwrap();
        assert_eq!((&found.config, &found.report, found.result), (&expected.config, &expected.report, expected.result));
        assert_eq!((&found.status, &found.name, &found.comment), (&expected.status, &expected.name, &expected.comment));
        let millisecond = |run: &Run| run.stop.unwrap().as_millisecond();
        assert_eq!(millisecond(&found), millisecond(&expected));
        assert_eq!(source::list(&address).unwrap().len(), 1);
        assert!(source::find(&address, 2).unwrap_err().to_string().contains("has no run 2"));
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn twelve_runs_that_arrive_at_once_have_the_numbers_1_to_12() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let mut run = Recorded::start(base.path(), std::slice::from_ref(&address));
                    run.draw(0..50);
                    run.end();
                });
            }
        });
        let runs = source::list(&address).unwrap();
        let ids: BTreeSet<u64> = runs.iter().map(|run| run.id).collect();
        assert_eq!(ids, (1..=12).collect());
        assert!(runs.iter().all(|run| run.status == "COMPLETED"));
        assert_eq!(num_runs(&database), 12);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn an_insert_whose_answer_was_lost_is_not_made_twice() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), &[]);
        let deliver = || Delivery::new(&run.run_dir, &address).deliver(Extent::Whole).unwrap();
        assert_eq!(deliver().id, 1);
        let ledger = fs::read_dir(run.run_dir.join(".llc/mongo")).unwrap().map(|file| file.unwrap().path());
        let ledger: Vec<PathBuf> = ledger.filter(|path| path.extension().unwrap() == "json").collect();
        let text = fs::read_to_string(&ledger[0]).unwrap();
        // Killed between insert and answer: the number is known, the delivery is not.
        let mut entry: Value = serde_json::from_str(&text).unwrap();
        entry["delivered"] = Value::Null;
        fs::write(&ledger[0], entry.to_string()).unwrap();
        assert_eq!(deliver().id, 1);
        // Killed, and the ledger is gone, or the server has another name now: the token is known.
        fs::remove_file(&ledger[0]).unwrap();
        assert_eq!(deliver().id, 1);
        assert_eq!(num_runs(&database), 1);
        assert_metrics(&database, 1, &run.run_dir);
        let num_files = database.collection::<Document>("fs.files").count_documents(doc! {}).run().unwrap();
        assert_eq!(num_files, 3, "curve.csv, report.json and draws.zarr.zip");
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_number_that_another_run_took_is_left_to_it() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), &[]);
        let mut delivery = Delivery::new(&run.run_dir, &address);
        assert_eq!(delivery.deliver(Extent::Beat).unwrap().id, 1);
        // The server lost what it had, and others came first.
        let runs = database.collection::<Document>("runs");
        runs.delete_one(doc! {"_id": 1}).run().unwrap();
        runs.insert_one(doc! {"_id": 1, "status": "COMPLETED"}).run().unwrap();
        assert!(delivery.deliver(Extent::Beat).is_err(), "the run is not there any more");
        assert_eq!(delivery.deliver(Extent::Whole).unwrap().id, 2);
        assert_metrics(&database, 2, &run.run_dir);
        assert_eq!(run_document(&database, 1), doc! {"_id": 1, "status": "COMPLETED"});
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_resumed_run_makes_its_points_again_and_none_is_doubled() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), &[]);
        let file = |name: &str| run.run_dir.join(name);
        let (whole, ended) =
            (fs::read_to_string(file("metrics.json")).unwrap(), fs::read_to_string(file("run.json")).unwrap());
        let mut record: Value = serde_json::from_str(&ended).unwrap();
        record["status"] = json!("INTERRUPTED");
        fs::write(file("run.json"), record.to_string()).unwrap();
        let mut delivery = Delivery::new(&run.run_dir, &address);
        delivery.deliver(Extent::Whole).unwrap();
        assert!(run_document(&database, 1).contains_key("stop_time"));

        // It continues under its number: its series grow anew, at other times, and it has no end.
        record["status"] = json!("RUNNING");
        record.as_object_mut().unwrap().remove("stop_time");
        fs::write(file("run.json"), record.to_string()).unwrap();
        let again = whole.replace("\"20", "\"30");
        let mut beginning = llc::record::json::parse_words(&again).unwrap();
        for series in beginning.as_object_mut().unwrap().values_mut() {
            for list in series.as_object_mut().unwrap().values_mut() {
                list.as_array_mut().unwrap().truncate(40);
            }
        }
        fs::write(file("metrics.json"), beginning.to_string()).unwrap();
        delivery.deliver(Extent::Beat).unwrap();
        let document = run_document(&database, 1);
        assert_eq!((document.get_str("status").unwrap(), document.contains_key("stop_time")), ("RUNNING", false));
        fs::write(file("metrics.json"), again).unwrap();
        fs::write(file("run.json"), ended).unwrap();
        delivery.deliver(Extent::Whole).unwrap();

        let (stored, expected) = (stored_metrics(&database, 1), metrics_json(&run.run_dir));
        for (name, series) in expected.as_object().unwrap() {
            for list in ["steps", "values"] {
                assert_eq!(stored[name][list], series[list], "{name} {list}");
            }
        }
        assert_eq!(run_document(&database, 1).get_str("status").unwrap(), "COMPLETED");
        assert_eq!(num_runs(&database), 1);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn an_artifact_that_changed_replaces_its_former_content() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), &[]);
        let mut delivery = Delivery::new(&run.run_dir, &address);
        delivery.deliver(Extent::Beat).unwrap();
        let large = vec![b'x'; 600_000];
        fs::write(run.run_dir.join("curve.csv"), &large).unwrap();
        delivery.deliver(Extent::Whole).unwrap();
        let files = database.collection::<Document>("fs.files");
        let of_name = doc! {"filename": "artifact://runs/1/curve.csv"};
        let found: Vec<Document> = files.find(of_name).run().unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 1);
        let chunks = database.collection::<Document>("fs.chunks");
        let num_chunks = |filter| chunks.count_documents(filter).run().unwrap();
        assert_eq!(num_chunks(doc! {"files_id": found[0].get_object_id("_id").unwrap()}), 3);
        let seen = server.python(&script(), &["incense", address.database(), "1"]);
        assert_eq!(seen["md5"]["curve.csv"], md5(&run.run_dir.join("curve.csv")));
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn no_password_is_in_a_folder_a_document_or_an_error() {
        let Some(mut server) = Server::start_mortal() else { return };
        server.python(&script(), &["user", "admin", "anna", "ge@heim"]);
        server.kill();
        server.ask_for_user();
        server.revive();
        let url = |password: &str| {
            Address::parse_url(&format!("mongodb://anna:{password}@{}/llc?authSource=admin", server.host)).unwrap()
        };
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), &[url("wrongheim")]);
        let output = run.output();
        assert!(output.contains(&server.host) && output.contains("runs sync"), "{output}");
        let run = complete(base.path(), &[url("ge%40heim")]);
        assert!(!run.output().contains("runs sync"), "{}", run.output());
        let stored = source::list(&url("ge%40heim")).unwrap();
        assert_eq!(stored.len(), 1);

        let mut texts = vec![format!("{stored:?}")];
        let client = mongodb::sync::Client::with_uri_str(format!("mongodb://anna:ge%40heim@{}", server.host)).unwrap();
        texts.push(format!("{:?}", run_document(&client.database("llc"), 1)));
        let mut folders = vec![base.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
                }
            }
        }
        assert!(texts.len() > 20);
        for text in texts {
            assert!(!text.contains("heim") && !text.contains("anna"), "{text}");
        }
    }
}
