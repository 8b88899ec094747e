//! Runs whose server is down, dies, loses answers, or is slow.

mod slow {
    use std::process::{Command, Output};
    use std::thread;
    use std::time::{Duration, Instant};

    use llc::mongo::address::Address;
    use mongodb::bson::doc;

    use crate::mongo_server::Server;
    use crate::proxy::Proxy;
    use crate::runs::{
        NUM_DRAWS, Recorded, assert_metrics, database, num_runs, run_document, stored_metrics, wait_until,
    };

    fn sync(base: &std::path::Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llc-analysis"));
        command.args(["runs", "sync"]).arg(base).args(arguments).output().unwrap()
    }

    fn stdout(output: &Output) -> String {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_server_that_dies_and_returns_in_the_middle_of_a_run_has_every_point_once() {
        let Some(mut server) = Server::start_mortal() else { return };
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let mut run = Recorded::start(base.path(), &[address]);
        for round in 0..4 {
            let draws = round * NUM_DRAWS / 4..(round + 1) * NUM_DRAWS / 4;
            let middle = (draws.start + draws.end) / 2;
            run.draw(draws.start..middle);
            wait_until("points have arrived", || stored_metrics(&database, 1).to_string().len() > 1000);
            server.kill();
            run.draw(middle..draws.end);
            thread::sleep(Duration::from_millis(100));
            server.revive();
        }
        run.end();
        assert_metrics(&database, 1, &run.run_dir);
        assert_eq!(run_document(&database, 1).get_str("status").unwrap(), "COMPLETED");
        assert_eq!((num_runs(&database), run.observers.failures().len()), (1, 0));
        assert!(!run.output().contains("runs sync"), "{}", run.output());
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn answers_lost_after_the_work_was_done_double_nothing() {
        let server = Server::start();
        let proxy = Proxy::to(&server.host);
        let (direct, database) = database(&server.host);
        let address = Address::parse(&format!("{}:{}", proxy.host, direct.database())).unwrap();
        let base = tempfile::tempdir().unwrap();
        proxy.lose_one_of(5);
        let mut run = Recorded::start(base.path(), &[address]);
        for first in (0..NUM_DRAWS).step_by(20) {
            run.draw(first..first + 20);
            thread::sleep(Duration::from_millis(30));
        }
        let num_lost = proxy.num_lost();
        proxy.lose_one_of(0);
        run.end();
        assert!(num_lost >= 4, "only {num_lost} answers were lost");
        assert_metrics(&database, 1, &run.run_dir);
        assert_eq!(num_runs(&database), 1);
        let num_files =
            database.collection::<mongodb::bson::Document>("fs.files").count_documents(doc! {}).run().unwrap();
        assert_eq!(num_files, 3);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_slow_server_never_holds_up_the_run() {
        let server = Server::start();
        let proxy = Proxy::to(&server.host);
        let (direct, database) = database(&server.host);
        let address = Address::parse(&format!("{}:{}", proxy.host, direct.database())).unwrap();
        let base = tempfile::tempdir().unwrap();
        proxy.delay(Duration::from_secs(6));
        let start = Instant::now();
        let mut run = Recorded::start(base.path(), std::slice::from_ref(&address));
        for first in (0..NUM_DRAWS).step_by(20) {
            run.draw(first..first + 20);
        }
        let drawn = start.elapsed();
        // It takes no time; what is allowed is that the machine has other work, and less than one answer takes.
        assert!(drawn < Duration::from_secs(5), "{drawn:?}");
        proxy.delay(Duration::ZERO);
        run.end();
        let output = run.output();
        if output.contains("runs sync") {
            // It was given up after some seconds: nothing is lost.
            wait_until("the run can be synced", || sync(base.path(), &[]).status.success());
        }
        assert_metrics(&database, 1, &run.run_dir);
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_server_that_was_never_there_is_reported_and_gets_all_by_a_sync() {
        let Some(mut server) = Server::mortal() else { return };
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut run = Recorded::start(base.path(), std::slice::from_ref(&address));
        run.draw(0..NUM_DRAWS);
        let drawn = start.elapsed();
        assert!(drawn < Duration::from_millis(2900), "{drawn:?}: no look at a server that is away was waited for");
        wait_until("the user is told", || {
            run.draw(0..0);
            run.output().contains("no server answered within 3 s (Connection refused")
        });
        run.end();
        let output = run.output();
        assert!(output.contains("llc-analysis runs sync") && output.contains(&address.to_string()), "{output}");
        assert_eq!(output.matches("the run continues").count(), 1, "reported once: {output}");
        assert!(start.elapsed() < Duration::from_secs(30), "the end waits for seconds only");

        // The thread that was given up holds the run for some seconds more; a program would have ended with it.
        wait_until("a sync finds no server", || {
            let down = sync(base.path(), &[]);
            assert_eq!(down.status.code(), Some(1), "{down:?}");
            String::from_utf8_lossy(&down.stderr).contains("error: run 1: MongoDB at")
        });
        server.revive();
        let first = sync(base.path(), &[]);
        assert!(first.status.success(), "{first:?}");
        let expected = format!("run 1 → {address} as 1: 7 metrics, ");
        assert!(
            stdout(&first).starts_with(&expected) && stdout(&first).ends_with(" 3 artifacts\n"),
            "{}",
            stdout(&first)
        );
        assert_metrics(&database, 1, &run.run_dir);
        assert_eq!(stdout(&sync(base.path(), &[])), format!("run 1: {address} has it as 1\n"));

        let elsewhere = format!("{address}_copy");
        let second = sync(base.path(), &["-m", &elsewhere]);
        assert!(stdout(&second).starts_with(&format!("run 1 → {elsewhere} as 1: ")), "{second:?}");
        assert_eq!(num_runs(&database), 1);
        let listed = Command::new(env!("CARGO_BIN_EXE_llc-analysis"))
            .args(["runs", "list", "--csv", "-m", &elsewhere])
            .output()
            .unwrap();
        assert!(stdout(&listed).lines().nth(1).unwrap().starts_with("1,COMPLETED,synthetic,"), "{listed:?}");
    }

    #[test]
    #[ignore = "slow: needs a MongoDB server"]
    fn a_run_that_was_killed_is_synced_as_it_died_and_a_living_one_is_left_alone() {
        let server = Server::start();
        let (address, database) = database(&server.host);
        let base = tempfile::tempdir().unwrap();
        let mut living = Recorded::start(base.path(), &[]);
        living.draw(0..100);
        wait_until("a heartbeat", || living.run_dir.join("metrics.json").is_file());
        let killed = base.path().join("2");
        std::fs::create_dir(&killed).unwrap();
        for name in ["config.json", "cout.txt", "metrics.json"] {
            std::fs::copy(living.run_dir.join(name), killed.join(name)).unwrap();
        }
        let record = std::fs::read_to_string(living.run_dir.join("run.json")).unwrap();
        std::fs::write(killed.join("run.json"), record.replace("\"202", "\"200")).unwrap();
        let synced = sync(base.path(), &["-m", &address.to_string()]);
        let lines = stdout(&synced);
        assert!(lines.starts_with("run 1 is running: its own process delivers it\nrun 2 → "), "{synced:?}");
        assert_eq!(run_document(&database, 1).get_str("status").unwrap(), "RUNNING");
        assert_metrics(&database, 1, &killed);
        let again = sync(base.path(), &["-m", &address.to_string()]);
        assert!(stdout(&again).ends_with("has it as 1\n"), "{again:?}");
        let nowhere = sync(base.path(), &[]);
        assert!(nowhere.status.success(), "run 2 remembers its address: {nowhere:?}");
        living.end();
    }
}
