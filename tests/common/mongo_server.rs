//! Starts a MongoDB server for a test, and stops it: secantusdb of the slow tests' Python, on its own port.
//!
//! `MONGODB_URI` names another server instead, `mongodb://HOST:PORT` without a database; tests that kill the server are skipped then.

#![allow(dead_code, reason = "every test that has a server uses its own part of this")]

use std::env;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::skip;

/// A server, stopped when it is dropped.
pub struct Server {
    /// `host:port`.
    pub host: String,
    process: Option<Child>,
    folder: tempfile::TempDir,
    is_authorised: bool,
}

/// The Python that has tests/requirements.txt.
pub fn python() -> PathBuf {
    let python = env::var_os("LLC_TEST_PYTHON");
    python
        .map(PathBuf::from)
        .expect("LLC_TEST_PYTHON must name a Python with tests/requirements.txt: run `./x test slow`, which makes one")
}

impl Server {
    /// Starts a server with an empty database, or takes that of `MONGODB_URI`.
    pub fn start() -> Self {
        let mut server = match env::var("MONGODB_URI") {
            Ok(uri) => Self::at(uri.trim_start_matches("mongodb://").trim_end_matches('/')),
            Err(_) => Self::absent(),
        };
        server.revive();
        server
    }

    /// A server that can be killed; `None`, with a word on stderr, where `MONGODB_URI` names one that can't.
    pub fn start_mortal() -> Option<Self> {
        let mortal = Self::mortal()?;
        Some(mortal.started())
    }

    /// The same, not started yet.
    pub fn mortal() -> Option<Self> {
        if env::var_os("MONGODB_URI").is_some() {
            skip::unavailable("this test kills its server, and the server of MONGODB_URI is not its own");
            return None;
        }
        Some(Self::absent())
    }

    fn started(mut self) -> Self {
        self.revive();
        self
    }

    fn absent() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Below the ports that systems give to clients: one of those could take the port while the server is down.
        let free = |port: &u32| TcpListener::bind(("127.0.0.1", *port as u16)).is_ok();
        let candidate = || 20_000 + (std::process::id() * 31 + COUNT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let port = std::iter::repeat_with(candidate).take(10_000).find(free).expect("a port is free");
        Self::at(&format!("127.0.0.1:{port}"))
    }

    fn at(host: &str) -> Self {
        Self { host: host.to_owned(), process: None, folder: tempfile::tempdir().unwrap(), is_authorised: false }
    }

    /// Asks for a user from the next start on.
    pub fn ask_for_user(&mut self) {
        self.is_authorised = true;
    }

    /// Starts it again with what it had on disk.
    pub fn revive(&mut self) {
        if env::var_os("MONGODB_URI").is_some() {
            return;
        }
        let program = python().with_file_name("secantusd-py");
        let port = self.host.rsplit(':').next().unwrap();
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--port", port, "--standalone", "--log-level", "ERROR", "--storage-path"]);
        command.arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.args(self.is_authorised.then_some("--auth")).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display())));
        let start = Instant::now();
        while TcpStream::connect(&self.host).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            assert_eq!(ended, None, "the server at {} ended", self.host);
            assert!(start.elapsed() < Duration::from_secs(60), "the server at {} does not start", self.host);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// What `script` prints, called with the URL of the server and `arguments`, as JSON.
    pub fn python(&self, script: &Path, arguments: &[&str]) -> serde_json::Value {
        let url = format!("mongodb://{}", self.host);
        let output = Command::new(python()).arg(script).arg(url).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(text.lines().last().unwrap_or_default()).expect("JSON in the last line")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
