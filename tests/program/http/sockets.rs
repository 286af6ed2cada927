//! Sockets that systemd passes.

use std::{
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
};

use crate::support::{
    exporter::SOON,
    http::try_get,
    program::{Program, call, readscope},
    waiting::{wait_for, wait_until},
};

const RUN: [&str; 4] = ["run", "--address", "127.0.0.1:1", "--web.systemd-socket"];

/// Passes the socket as systemd does: as the descriptor 3.
fn start(socket: impl Into<OwnedFd>) -> Program {
    let program = readscope(&RUN);
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null"]);
    command.arg(program.get_program()).args(program.get_args());
    Program::start_with_input(&mut command, socket.into())
}

#[test]
fn readscope_serves_on_a_socket_of_systemd() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let program = start(listener);
    let answer = wait_for("an answer", SOON, || try_get(address, "/-/healthy").ok());
    assert_eq!(answer.status, 200);
    wait_until("the address in the log", SOON, || program.logged(&["listening for HTTP", &address.to_string()]) == 1);
}

#[test]
fn without_a_usable_socket_it_says_what_to_do() {
    let wrong = start(UdpSocket::bind("127.0.0.1:0").unwrap()).ended(SOON);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("systemd passed a socket that is no TCP listener"), "{wrong:?}");

    let none = call(&RUN);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("systemd passed no socket; start readscope with a socket unit"), "{none:?}");

    let both = call(&[&RUN[..], &["--web.listen-address", ":0"]].concat());
    assert_eq!(both.code, Some(2), "{both:?}");
}
