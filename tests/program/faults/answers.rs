//! Servers that accept the login and fail at the query: broken results, invalid rows, hostile names.

use std::time::Duration;

use readscope::{
    clock::Clock,
    model::{
        FailureReason::{Protocol, Query, Timeout},
        Identity,
    },
    source::mysql::Prober,
};

use super::case::{Case, assert_readable, judge, take, target};
use crate::support::{
    random::Random,
    script::Script,
    server::Server,
    wire::{self, Field, packet, packets, result_set, row},
};

pub(crate) const COM_QUIT: &[u8] = b"\x01\0\0\0\x01";

fn answer() -> Vec<u8> {
    wire::identity_answer(&wire::identity("101", "mysql-1"))
}

/// The answer up to the middle of its row.
fn half_an_answer() -> Vec<u8> {
    let whole = answer();
    whole[..whole.len() - 40].to_vec()
}

#[tokio::test]
async fn a_broken_off_result_is_a_protocol_failure() {
    let login = Script::login;
    judge(vec![
        Case::new("FIN after the query", Protocol, login().then_close()),
        Case::new("RST after the query", Protocol, login().then_reset()),
        Case::new("FIN in the result", Protocol, login().send(half_an_answer()).then_close()),
        Case::new("RST in the result", Protocol, login().send(half_an_answer()).then_reset()),
        Case::new("FIN in the column count", Protocol, login().send([1, 0, 0]).then_close()),
        Case::new("FIN after the login's end", Protocol, Script::greeting().send(packet(2, &wire::ok())).then_close()),
        Case::new("RST after the login's end", Protocol, Script::greeting().send(packet(2, &wire::ok())).then_reset()),
    ])
    .await;
}

#[tokio::test]
async fn an_endless_result_costs_at_most_the_timeout() {
    let login = Script::login;
    let whole = answer();
    let without_end = &whole[..whole.len() - 9];
    let rows = row(&wire::identity("101", "mysql-1"));
    let numbered: Vec<u8> = (0..=255).flat_map(|number| packet(number, &rows)).collect();
    // The missing end packet had number 11.
    let endless = login().send(without_end).send(packets(11, &vec![rows; 245])).flood(numbered);
    judge(vec![
        Case::new("no answer", Timeout, login().then_silence()),
        Case::new("half an answer", Timeout, login().send(half_an_answer()).then_silence()),
        Case::new("a row and no end", Timeout, login().send(without_end).then_silence()),
    ])
    .await;
    judge(vec![Case::new("rows without end", Protocol, endless)]).await;
}

/// A limit: the driver cannot send `COM_QUIT` then, so the server counts an aborted client.
#[tokio::test]
async fn a_connection_is_closed_without_com_quit_after_a_query_timeout() {
    let whole = answer();
    for script in
        [Script::login(), Script::login().send(half_an_answer()), Script::login().send(&whole[..whole.len() - 9])]
    {
        let server = Server::playing(script.then_silence());
        let patience = Duration::from_secs(1);
        let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
        let failure = take(&prober, patience).await.unwrap().outcome.unwrap_err();
        assert_eq!(failure.reason, Timeout, "{}", failure.text);
        server.wait_until_closed(0);
        assert!(server.received(b"readscope"));
        assert!(!server.received(COM_QUIT));
    }
}

#[tokio::test]
async fn every_finished_query_is_followed_by_com_quit() {
    let nonsense = wire::identity_answer(&wire::identity_with(0, None));
    for result in [answer(), nonsense, packet(1, &wire::error(1105, Some("HY000"), "no")), packet(1, &wire::ok())] {
        let server = Server::playing(Script::login().send(result));
        let patience = Duration::from_secs(10);
        let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
        let _ = take(&prober, patience).await.unwrap();
        server.wait_until_closed(0);
        assert!(server.received(COM_QUIT));
    }
}

#[tokio::test]
async fn a_query_without_a_row_is_a_query_failure() {
    let login = Script::login;
    let error = |number, code, message| packet(number, &wire::error(code, Some("HY000"), message));
    let columns_only = result_set(8, &[]);
    let error_for_a_row = [packets(1, &columns_only[..9]), error(10, 1105, "no rows today")].concat();
    judge(vec![
        Case::new("an empty result", Query, login().send(packets(1, &columns_only)).receive()),
        Case::new("no result at all", Query, login().send(packet(1, &wire::ok())).receive()),
        Case::new("an error", Query, login().send(error(1, 1193, "Unknown system variable")).receive()),
        Case::new("an error in place of the row", Query, login().send(error_for_a_row).receive()),
        Case::new("an error with control characters", Query, login().send(error(1, 1105, "\x1b[31m\n\0")).receive()),
        Case::new("an error of 60 KB", Query, login().send(error(1, 1105, &"x".repeat(60_000))).receive()),
    ])
    .await;
}

/// The server claims a version that has the variable, as proxies and other databases do.
#[tokio::test]
async fn a_server_without_innodb_read_only_still_answers() {
    for code in [1064, 1193] {
        let refusal = packet(1, &wire::error(code, Some("HY000"), "Unknown system variable 'innodb_read_only'"));
        let server = Server::playing(Script::login().send(refusal).receive().send(answer()).receive());
        let patience = Duration::from_secs(20);
        let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
        let answered = take(&prober, patience).await.unwrap().outcome.unwrap();
        assert_eq!((&*answered.identity.host_name, answered.identity.read_only), ("mysql-1", true), "{code}");
        assert!(server.received(b"@@read_only/*!50700 OR @@innodb_read_only */,"));
        assert!(server.received(b"@@hostname, @@read_only,"));
    }
}

#[tokio::test]
async fn a_server_without_host_name_or_with_a_uuid_of_zeros_answers() {
    let mut fields = wire::identity_with(1, None);
    fields[5] = Some(b"00000000-0000-0000-0000-000000000000".to_vec());
    let server = Server::playing(Script::answering(&fields));
    let patience = Duration::from_secs(20);
    let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
    let identity = take(&prober, patience).await.unwrap().outcome.unwrap().identity;
    assert_eq!((&*identity.host_name, identity.server_uuid, identity.server_id), ("", None, 101));
}

#[tokio::test]
async fn an_invalid_result_is_a_protocol_failure() {
    let login = Script::login;
    let with = |index, field| wire::identity_answer(&wire::identity_with(index, field));
    let sent = |bytes: Vec<u8>| Script::login().send(bytes).receive();
    let seven_for_eight = packets(1, &result_set(8, &[row(&wire::identity("101", "mysql-1")[..6])]));
    let mut misnumbered = answer();
    misnumbered[5 + 3] = 77;
    let long = "x".repeat(1 << 20);
    judge(vec![
        Case::new("NULL for the server_id", Protocol, sent(with(0, None))),
        Case::new("NULL for read_only", Protocol, sent(with(2, None))),
        Case::new("NULL for the version", Protocol, sent(with(3, None))),
        Case::new("a server_id that is not a number", Protocol, sent(with(0, Some(b"mysql-1")))),
        Case::new("a negative server_id", Protocol, sent(with(0, Some(b"-1")))),
        Case::new("a server_id beyond 32 bits", Protocol, sent(with(0, Some(b"4294967296")))),
        Case::new("an empty server_id", Protocol, sent(with(0, Some(b"")))),
        Case::new("a server_id with control characters", Protocol, sent(with(0, Some(b"\x1b[2J\nlevel=info")))),
        Case::new("a server_id of 900 KB", Protocol, sent(with(0, Some(&b"9".repeat(900_000))))),
        Case::new("one column", Protocol, sent(wire::identity_answer(&wire::identity("101", "mysql-1")[..1]))),
        Case::new("three columns", Protocol, sent(wire::identity_answer(&wire::identity("101", "mysql-1")[..3]))),
        Case::new("a row shorter than the columns", Protocol, sent(seven_for_eight)),
        Case::new("a wrong number in the result", Protocol, sent(misnumbered)),
        Case::new("an empty packet for the result", Protocol, sent(packet(1, b""))),
        Case::new("an empty packet for a column", Protocol, sent(packets(1, &[vec![1], Vec::new(), wire::eof()]))),
        Case::new("random bytes", Protocol, login().send(Random::seeded(6).bytes(1000)).then_close()),
        Case::new("16 MB", Protocol, sent(b"\xff\xff\xff\x01\x07".to_vec())),
        Case::new("a host name of 1 MB", Protocol, sent(with(1, Some(long.as_bytes())))),
        Case::new("a request for a file of the client", Protocol, sent(packet(1, b"\xfb/etc/hostname"))),
    ])
    .await;
}

#[tokio::test]
async fn a_server_cannot_read_a_file_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "what only the client knows").unwrap();
    let request = [&[0xfb], path.to_str().unwrap().as_bytes()].concat();
    let server = Server::playing(Script::login().send(packet(1, &request)).receive_within(Duration::from_millis(200)));
    let patience = Duration::from_secs(10);
    let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
    assert_eq!(take(&prober, patience).await.unwrap().outcome.unwrap_err().reason, Protocol);
    server.wait_until_closed(0);
    assert!(!server.received(b"what only the client knows"));
}

/// The identity that a probe of this server reads.
async fn identity_of(script: Script) -> Identity {
    let server = Server::playing(script);
    let patience = Duration::from_secs(10);
    let prober = Prober::new(target(server.address, patience), Clock::start()).unwrap();
    let answer = take(&prober, patience).await.unwrap().outcome.unwrap();
    server.wait_until_closed(0);
    answer.identity
}

async fn identity_with(index: usize, field: Option<&[u8]>) -> Identity {
    identity_of(Script::answering(&wire::identity_with(index, field))).await
}

#[tokio::test]
async fn optional_columns_may_be_missing() {
    for (index, field) in [(4, None), (4, Some(&b"yesterday"[..])), (4, Some(b"0000-00-00 00:00:00"))] {
        assert_eq!(identity_with(index, field).await.server_time, None, "{field:?}");
    }
    assert_eq!(identity_with(5, None).await.server_uuid, None);
    assert_eq!(identity_with(6, None).await.gtid_executed, None);
    let five = identity_of(Script::answering(&wire::identity("101", "mysql-1")[..5])).await;
    assert_eq!((five.server_id, five.server_uuid, five.gtid_executed), (101, None, None));
    let further = [wire::identity("101", "mysql-1"), vec![Some(b"more".to_vec()), None]].concat();
    assert_eq!(identity_of(Script::answering(&further)).await.server_id, 101);
}

#[tokio::test]
async fn the_first_of_several_rows_counts() {
    let rows = ["101", "102"].map(|id| row(&wire::identity(id, "mysql-1")));
    let script = Script::login().send(packets(1, &result_set(8, &rows))).receive();
    assert_eq!(identity_of(script).await.server_id, 101);
}

#[tokio::test]
async fn servers_of_all_versions_can_be_probed() {
    let mysql = wire::Greeting::default().capabilities;
    // MariaDB does not set this capability.
    let mariadb = mysql & !wire::CLIENT_LONG_PASSWORD;
    let versions = [
        ("8.4.6", mysql, "caching_sha2_password"),
        ("9.7.0", mysql, "caching_sha2_password"),
        ("26.7.0-commercial", mysql, "caching_sha2_password"),
        ("5.7.44-log", mysql, "mysql_native_password"),
        ("5.5.5-10.11.19-MariaDB-log", mariadb, "mysql_native_password"),
        ("12.0.2-MariaDB", mariadb, "mysql_native_password"),
        ("a proxy", mysql, "authentication_of_tomorrow"),
    ];
    for (version, capabilities, plugin) in versions {
        let greeting = wire::Greeting { version: version.into(), capabilities, ..wire::Greeting::default() };
        let greeting = wire::Greeting { plugin: plugin.into(), ..greeting };
        let login = Script::nothing().send(greeting.packet()).receive().send(packet(2, &wire::ok())).receive();
        let identity = identity_of(login.send(answer()).receive()).await;
        assert_eq!(identity.server_id, 101, "{version}");
    }
}

#[tokio::test]
async fn a_result_may_end_without_an_eof_packet() {
    let greeting = wire::Greeting::default();
    let greeting =
        wire::Greeting { capabilities: greeting.capabilities | wire::CLIENT_DEPRECATE_EOF, ..greeting }.packet();
    let fields = wire::identity("101", "mysql-1");
    let mut payloads = vec![vec![8]];
    payloads.extend((0..8).map(|_| wire::column()));
    payloads.push(row(&fields));
    payloads.push(vec![0xfe, 0, 0, 2, 0, 0, 0]);
    let login = Script::nothing().send(greeting).receive().send(packet(2, &wire::ok())).receive();
    assert_eq!(identity_of(login.send(packets(1, &payloads)).receive()).await.server_id, 101);
}

#[tokio::test]
async fn control_characters_in_names_are_replaced() {
    let long = vec![b'n'; 900_000];
    let hostile: [&[u8]; 6] =
        [b"mysql-1\x1b[2J\r\n", b"<script>alert(1)</script>", b"\"}\n readscope_up 1", b"\xff\xfe\x80", b"\0", &long];
    for field in hostile {
        for index in [1, 3, 5] {
            let identity = identity_with(index, Some(field)).await;
            let uuid = identity.server_uuid.unwrap();
            for text in [&identity.host_name, &identity.version, &uuid] {
                assert_readable(text).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn line_breaks_in_a_gtid_set_are_removed_and_a_huge_set_is_omitted() {
    let set = b"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:1-7";
    let kept = identity_with(6, Some(set)).await.gtid_executed.unwrap();
    assert_eq!(kept.len(), set.len() - 1);
    assert_eq!(identity_with(6, Some(&b"x".repeat(100_000))).await.gtid_executed, None);
    let hostile = identity_with(6, Some(b"\x1b[2J\0")).await.gtid_executed.unwrap_or_default();
    assert!(!hostile.chars().any(char::is_control), "{hostile:?}");
}

#[tokio::test]
async fn empty_names_are_accepted() {
    let empty: Field = Some(Vec::new());
    let fields =
        vec![Some(b"101".to_vec()), empty.clone(), empty.clone(), empty.clone(), empty.clone(), empty.clone(), empty];
    let identity = identity_of(Script::answering(&fields)).await;
    assert_eq!((identity.server_id, identity.host_name.as_str(), identity.version.as_str()), (101, "", ""));
    // An unknown value of read_only counts as read-only: the server is not taken for a primary.
    assert!(identity.read_only);
}
