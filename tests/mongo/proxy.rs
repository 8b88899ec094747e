//! Stands between the driver and a server, and spoils the way: answers late, or not at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Forwards connections to a server.
pub struct Proxy {
    /// `host:port`.
    pub host: String,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Milliseconds by which answers are late.
    delay_ms: AtomicU64,
    /// Every so many answers one is lost with its connection; 0 for never.
    lost_every: AtomicU64,
    num_answers: AtomicU64,
    num_lost: AtomicU64,
}

impl Proxy {
    /// Forwards without faults, for as long as the test lives.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let faults = Arc::new(Faults::default());
        let (server, shared) = (server.to_owned(), Arc::clone(&faults));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let faults = Arc::clone(&shared);
                thread::spawn(move || forward(client, server, |_| true));
                thread::spawn(move || forward(server2, client2, |answer| faults.let_pass(answer)));
            }
        });
        Self { host, faults }
    }

    /// Makes every answer late.
    pub fn delay(&self, by: Duration) {
        self.faults.delay_ms.store(by.as_millis() as u64, Ordering::Relaxed);
    }

    /// Loses one answer of `every`, after the server has done what was asked; 0 for none.
    pub fn lose_one_of(&self, every: u64) {
        self.faults.lost_every.store(every, Ordering::Relaxed);
    }

    /// The answers lost so far.
    pub fn num_lost(&self) -> u64 {
        self.faults.num_lost.load(Ordering::Relaxed)
    }
}

impl Faults {
    fn let_pass(&self, _answer: &[u8]) -> bool {
        thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed)));
        let (every, count) =
            (self.lost_every.load(Ordering::Relaxed), self.num_answers.fetch_add(1, Ordering::Relaxed));
        let is_lost = every > 0 && count % every == every - 1;
        self.num_lost.fetch_add(is_lost.into(), Ordering::Relaxed);
        !is_lost
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, let_pass: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        if length == 0 || !let_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
    }
}
