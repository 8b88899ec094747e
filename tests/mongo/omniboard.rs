//! Asks Omniboard for the runs as its pages do.

mod slow {
    use std::env;
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use serde_json::{Value, json};

    use crate::mongo_server::Server;
    use crate::runs::{complete, database, metrics_json, wait_until};
    use crate::skip;

    struct Omniboard {
        process: Child,
        url: String,
    }

    impl Drop for Omniboard {
        fn drop(&mut self) {
            let _ = (self.process.kill(), self.process.wait());
        }
    }

    impl Omniboard {
        fn start(folder: PathBuf, address: &str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let start = folder.join("node_modules/omniboard/dist/start.js");
            let mut command = Command::new("node");
            command.arg(start).args(["-m", address]).env("PORT", port.to_string());
            let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let omniboard = Self { process, url: format!("http://127.0.0.1:{port}/sacred/api/v1/") };
            wait_until("Omniboard answers", || omniboard.try_get("Runs").is_ok());
            omniboard
        }

        fn try_get(&self, path: &str) -> Result<Vec<u8>, ureq::Error> {
            ureq::get(format!("{}{path}", self.url)).call()?.body_mut().read_to_vec()
        }

        fn get(&self, path: &str) -> Value {
            serde_json::from_slice(&self.try_get(path).unwrap()).unwrap()
        }
    }

    /// JavaScript writes 2.0 as 2; what is not a number is null on both sides.
    fn numbers(list: &Value) -> Vec<Option<f64>> {
        list.as_array().unwrap().iter().map(Value::as_f64).collect()
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server and Omniboard"]
    fn omniboard_lists_runs_with_config_metrics_status_output_and_artifacts() {
        let Some(folder) = env::var_os("OMNIBOARD_DIR").map(PathBuf::from) else {
            return skip::missing(
                "OMNIBOARD_DIR doesn't name a folder in which `npm install omniboard@2.16.1` was run",
                "`.ci/install` runs it, in the folder that `.ci/run` names",
            );
        };
        let server = Server::start();
        let (address, _database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let run = complete(base.path(), std::slice::from_ref(&address));
        complete(base.path(), std::slice::from_ref(&address));
        let omniboard = Omniboard::start(folder, &address.to_string());

        let listed = omniboard.get("Runs");
        let ids: Vec<&Value> = listed.as_array().unwrap().iter().map(|run| &run["_id"]).collect();
        assert_eq!(ids.len(), 2, "{listed}");
        let one = omniboard.get("Runs/1");
        assert_eq!((&one["status"], &one["config"]["sampler"]["gamma"]), (&json!("COMPLETED"), &json!(2.5)));
        assert_eq!((&one["experiment"]["name"], &one["meta"]["comment"]), (&json!("synthetic"), &json!("a remark")));
        assert!(one["captured_out"].as_str().unwrap().ends_with("the last words\n"));
        let metrics = omniboard.get("Metrics?query=%7B%22run_id%22%3A1%7D");
        let expected = metrics_json(&run.run_dir);
        assert_eq!(metrics.as_array().unwrap().len(), expected.as_object().unwrap().len());
        for metric in metrics.as_array().unwrap() {
            let series = &expected[metric["name"].as_str().unwrap()];
            assert_eq!(
                (numbers(&metric["steps"]), numbers(&metric["values"])),
                (numbers(&series["steps"]), numbers(&series["values"]))
            );
        }
        let names: Vec<&str> =
            one["artifacts"].as_array().unwrap().iter().map(|artifact| artifact["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["curve.csv", "report.json", "draws.zarr.zip"]);
        let zip = omniboard.try_get("files/downloadAll/1/artifacts").unwrap();
        assert!(zip.starts_with(b"PK"), "an archive of all artifacts");
        let file_id = one["artifacts"][0]["file_id"].as_str().unwrap();
        let preview = omniboard.try_get(&format!("files/preview/{file_id}")).unwrap();
        assert_eq!(preview, b"a,b\n1,2\n");
    }
}
