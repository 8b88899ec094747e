//! Fetches datasets from its own server on loopback: resumed, refused, damaged.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use llc::data::fetch::{Archive, FetchError, Progress, Published, RemoteFile, Stage, fetch};
use md5::{Digest, Md5};
use tempfile::tempdir;

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// It gives what is asked for.
    Honest,
    /// It breaks off each answer after so many bytes.
    BreaksAfter(usize),
    /// It gives the whole file whatever is asked for, and breaks off the first answer.
    IgnoresRanges,
    /// It has nothing.
    Empty,
}

/// A server of one file; it lives as long as the test program.
struct Server {
    url: String,
    ranges: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(path: &'static str, content: Vec<u8>, manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/folder", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that breaks off is not a failure of the server's.
                let _ = answer(stream, path, &content, manner, &seen);
            }
        });
        Server { url, ranges }
    }

    /// The ranges that were asked for, in order; empty where it was the whole file.
    fn ranges(&self) -> Vec<String> {
        self.ranges.lock().unwrap().clone()
    }
}

fn answer(
    stream: TcpStream,
    path: &str,
    content: &[u8],
    manner: Manner,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut range = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("range")
        {
            range = value.to_owned();
        }
    }
    let num_before = seen.lock().unwrap().len();
    seen.lock().unwrap().push(range.clone());
    let mut stream = stream;
    if manner == Manner::Empty || request != format!("GET /folder/{path} HTTP/1.1") {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let start: usize = match manner {
        Manner::IgnoresRanges => 0,
        _ => range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'))
            .map_or(0, |start| start.parse().unwrap()),
    };
    if start >= content.len() {
        return stream
            .write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let body = &content[start..];
    let status = match start {
        0 => "200 OK".to_owned(),
        _ => format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", content.len() - 1, content.len()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    let given = match manner {
        Manner::BreaksAfter(len) => len.min(body.len()),
        Manner::IgnoresRanges if num_before == 0 => body.len() / 2,
        _ => body.len(),
    };
    stream.write_all(&body[..given])
}

fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(i) % 251) as u8).collect()
}

/// Fetches `file.bin`, which should have the digest `md5`.
fn fetch_file(server: &Server, md5: &str, dir: &Path, cancel: &AtomicBool) -> Result<Vec<Stage>, FetchError> {
    let files = [RemoteFile { name: "file.bin", md5 }];
    let published = Published { folder: "set", mirrors: &[], files: &files, archive: None };
    let mut stages = Vec::new();
    fetch(&published, Some(&server.url), dir, cancel, &mut |progress: Progress| stages.push(progress.stage))?;
    stages.dedup();
    Ok(stages)
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

#[test]
fn a_file_comes_whole_and_is_not_asked_for_twice() {
    let (folder, content) = (tempdir().unwrap(), content());
    let server = Server::new("file.bin", content.clone(), Manner::Honest);
    let stages = fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap();
    assert_eq!(stages, [Stage::Downloading]);
    assert_eq!(fs::read(folder.path().join("set/file.bin")).unwrap(), content);
    assert_eq!(fs::read_dir(folder.path().join("set")).unwrap().count(), 1, "no part is left");
    let stages = fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap();
    assert_eq!((stages, server.ranges().len()), (vec![Stage::Present], 1));
}

#[test]
fn a_broken_download_continues_where_it_ended_within_a_run_and_in_the_next() {
    let (folder, content) = (tempdir().unwrap(), content());
    let server = Server::new("file.bin", content.clone(), Manner::BreaksAfter(70_000));
    let error = fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap_err();
    assert!(
        matches!(error, FetchError::Connection { .. }) && error.to_string().contains("continues from here"),
        "{error}"
    );
    assert_eq!(fs::metadata(folder.path().join("set/file.bin.part")).unwrap().len(), 210_000);
    fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap();
    assert_eq!(fs::read(folder.path().join("set/file.bin")).unwrap(), content);
    assert_eq!(server.ranges(), ["", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"]);
}

#[test]
fn a_server_without_ranges_and_a_part_that_is_whole_or_of_another_file_do_no_harm() {
    let content = content();
    let folder = tempdir().unwrap();
    let server = Server::new("file.bin", content.clone(), Manner::IgnoresRanges);
    fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap();
    assert_eq!(fs::read(folder.path().join("set/file.bin")).unwrap(), content);

    for (part, num_requests) in [(content.clone(), 1), (vec![0; 1000], 2), (vec![0; 400_000], 2)] {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("set")).unwrap();
        fs::write(folder.path().join("set/file.bin.part"), &part).unwrap();
        let server = Server::new("file.bin", content.clone(), Manner::Honest);
        fetch_file(&server, &md5_of(&content), folder.path(), &never()).unwrap();
        assert_eq!(fs::read(folder.path().join("set/file.bin")).unwrap(), content);
        assert_eq!(server.ranges().len(), num_requests, "a part of {} bytes", part.len());
    }
}

#[test]
fn another_file_a_missing_one_and_a_deaf_server_are_errors_that_keep_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::new("file.bin", b"<html>moved</html>".to_vec(), Manner::Honest);
    let error = fetch_file(&server, &md5_of(&content()), folder.path(), &never()).unwrap_err().to_string();
    let found = md5_of(b"<html>moved</html>");
    assert!(error.contains(&format!("expected the MD5 digest {}, found {found}", md5_of(&content()))), "{error}");
    let server = Server::new("file.bin", Vec::new(), Manner::Empty);
    let error = fetch_file(&server, "", folder.path(), &never()).unwrap_err().to_string();
    assert!(error.contains("/folder/file.bin: the server answered 404"), "{error}");
    let nobody = Server { url: "http://127.0.0.1:1/folder".into(), ranges: Arc::default() };
    let error = fetch_file(&nobody, "", folder.path(), &never()).unwrap_err();
    assert!(matches!(error, FetchError::Connection { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("set")).unwrap().count(), 0);
}

#[test]
fn the_next_mirror_is_asked_where_one_has_no_file() {
    let (folder, content) = (tempdir().unwrap(), content());
    let empty = Server::new("file.bin", Vec::new(), Manner::Empty);
    let honest = Server::new("file.bin", content.clone(), Manner::Honest);
    let md5 = md5_of(&content);
    let files = [RemoteFile { name: "file.bin", md5: &md5 }];
    let mirrors = [empty.url.as_str(), honest.url.as_str()];
    let published = Published { folder: "set", mirrors: &mirrors, files: &files, archive: None };
    fetch(&published, None, folder.path(), &never(), &mut |_| ()).unwrap();
    assert_eq!((empty.ranges().len(), honest.ranges().len()), (1, 1));
}

#[test]
fn a_cancelled_download_keeps_its_part() {
    let (folder, content) = (tempdir().unwrap(), content());
    let server = Server::new("file.bin", content.clone(), Manner::Honest);
    let md5 = md5_of(&content);
    let files = [RemoteFile { name: "file.bin", md5: &md5 }];
    let published = Published { folder: "set", mirrors: &[], files: &files, archive: None };
    let cancel = never();
    let mut stop = |progress: Progress| cancel.store(progress.num_bytes > 0, Ordering::Relaxed);
    let error = fetch(&published, Some(&server.url), folder.path(), &cancel, &mut stop).unwrap_err();
    assert!(matches!(error, FetchError::Cancelled));
    let kept = fs::metadata(folder.path().join("set/file.bin.part")).unwrap().len();
    assert!(kept > 0 && kept < 300_000, "{kept}");
    fetch_file(&server, &md5, folder.path(), &never()).unwrap();
    assert_eq!(server.ranges()[1], format!("bytes={kept}-"));
}

/// A compressed tape archive of these files.
fn archive_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tape = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Not `set_path`, which refuses what a hostile archive would hold.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tape.append(&header, *content).unwrap();
    }
    tape.into_inner().unwrap().finish().unwrap()
}

fn fetch_archive(content: Vec<u8>, data_dir: &Path) -> Result<Vec<Stage>, FetchError> {
    let md5 = md5_of(&content);
    let server = Server::new("set.tar.gz", content, Manner::Honest);
    let files = [RemoteFile { name: "set.tar.gz", md5: &md5 }];
    let archive = Archive { folder: "inside", members: &[("one.bin", 5), ("two.bin", 3)] };
    let published = Published { folder: "set", mirrors: &[], files: &files, archive: Some(archive) };
    let mut stages = Vec::new();
    fetch(&published, Some(&server.url), data_dir, &never(), &mut |progress: Progress| stages.push(progress.stage))?;
    stages.dedup();
    Ok(stages)
}

#[test]
fn an_archive_gives_the_expected_files_and_no_other() {
    let folder = tempdir().unwrap();
    let hostile = "../../outside.bin";
    let content = archive_of(&[
        ("inside/two.bin", b"two"),
        (hostile, b"hostile"),
        ("inside/readme.html", b"unexpected"),
        ("inside/one.bin", b"first"),
    ]);
    let stages = fetch_archive(content.clone(), folder.path()).unwrap();
    assert_eq!(stages, [Stage::Downloading, Stage::Unpacking]);
    let inside = folder.path().join("set/inside");
    assert_eq!(fs::read(inside.join("one.bin")).unwrap(), b"first");
    assert_eq!(fs::read(inside.join("two.bin")).unwrap(), b"two");
    let entries = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((entries(&inside), entries(&folder.path().join("set")), entries(folder.path())), (2, 1, 1));
    assert_eq!(fetch_archive(content, folder.path()).unwrap(), [Stage::Present]);
}

#[test]
fn an_archive_of_other_or_cut_files_is_an_error() {
    let whole = archive_of(&[("inside/one.bin", b"first"), ("inside/two.bin", b"two")]);
    for (content, message) in [
        (archive_of(&[("inside/one.bin", b"first")]), "expected a file `inside/two.bin`, found none"),
        (
            archive_of(&[("inside/one.bin", b"short"), ("inside/two.bin", b"longer")]),
            "expected a file `two.bin` of 3 bytes, found 6 bytes",
        ),
        (whole[..whole.len() / 2].to_vec(), "expected a whole archive"),
        (b"no archive".to_vec(), "expected a whole archive"),
    ] {
        let folder = tempdir().unwrap();
        let error = fetch_archive(content, folder.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
