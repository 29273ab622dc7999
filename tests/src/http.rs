//! A small HTTP server on loopback, for executors to talk to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves until the test ends.
#[derive(Debug)]
pub struct Web {
    port: u16,
}

impl Web {
    /// Answers `GET /...` with `you asked for /...`, and a `POST` with its own
    /// body, if it has the header `x-probe`. A path that ends in `/to` redirects to
    /// what follows the `?`, with status 307.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        Web { port }
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn answer(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    let mut chunked = false;
    let mut probe = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        probe |= line == "x-probe: yes";
    }
    let body = if chunked {
        read_chunks(&mut reader)?
    } else {
        read_exactly(&mut reader, length)?
    };
    let location = path.split_once("/to?").map(|(_, location)| location);
    let (status, body) = match method {
        _ if location.is_some() => ("307 Temporary Redirect", b"elsewhere".to_vec()),
        "GET" => ("200 OK", format!("you asked for {path}").into_bytes()),
        "POST" if probe => ("200 OK", body),
        _ => ("400 Bad Request", b"no".to_vec()),
    };
    let mut stream = stream;
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    if let Some(location) = location {
        head.push_str(&format!("location: {location}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn read_exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        body.extend(read_exactly(reader, size)?);
        read_exactly(reader, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}
