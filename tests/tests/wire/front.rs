//! Bodies that are no message: bombs, other encodings, cut and flipped envelopes, other people's tokens.

use std::io::Write;

use sync_core::{
    document::Kind,
    protocol::{frame, limits::BODY_ENCODED_BYTES_MAX, message::IntentAction},
};
use tests::wire::{Company, grown, text};

/// A frame of so many megabytes of nothing, as large as its window log says.
fn zeros(megabytes: usize, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(window_log).unwrap();
    let block = vec![0; 1 << 20];
    for _ in 0..megabytes {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

fn skippable(bytes: usize) -> Vec<u8> {
    let mut frame = 0x184D_2A50_u32.to_le_bytes().to_vec();
    frame.extend((bytes as u32).to_le_bytes());
    frame.resize(frame.len() + bytes, 0);
    frame
}

#[tokio::test]
async fn t013_to_t016_bombs_are_refused_by_the_front_door_and_nothing_is_left_of_them() {
    let company = Company::on_sqlite().await;
    let mut wang = company.phone("wang").await;
    let empty = frame::encode(&wang.request());
    let before = company.rows().await;
    let bomb = zeros(512, 23);
    assert!(bomb.len() < 64 * 1024, "{} bytes", bomb.len());
    let mut trailing = empty.clone();
    trailing.extend(skippable(1_000));
    let mut twice = empty.clone();
    twice.extend(&empty);
    for (name, body, status) in [
        ("512 MB of nothing", bomb, 413),
        ("a window of 128 MiB", zeros(9, 27), 422),
        ("more than travels", vec![0; BODY_ENCODED_BYTES_MAX + 1], 413),
        ("five megabytes of skippable frames", skippable(5 << 20), 413),
        ("a skippable frame", skippable(1 << 20), 422),
        ("a message and a skippable frame", trailing, 422),
        ("two messages", twice, 422),
        ("nothing", Vec::new(), 422),
    ] {
        let refused = wang.post_bytes(&company, body).await;
        assert_eq!(refused.status.as_u16(), status, "{name}");
        let code = if status == 413 { "too_large" } else { "malformed" };
        assert_eq!(refused.code(), code, "{name}");
    }
    assert_eq!(grown(&before, &company.rows().await), []);
    assert_eq!(wang.post_bytes(&company, empty).await.status.as_u16(), 200);
}

#[tokio::test]
async fn t014_other_and_stacked_encodings_are_not_unpacked() {
    let company = Company::on_sqlite().await;
    let mut wang = company.phone("wang").await;
    let body = frame::encode(&wang.request());
    let bearer = wang.bearer.clone();
    let media = ("content-type", "application/vnd.fieldpool.sync");
    let token = ("authorization", bearer.as_str());
    let version = ("fieldpool-protocol", "1");
    for encoding in [
        "gzip",
        "br",
        "deflate",
        "identity",
        "zstd, zstd",
        "gzip, zstd",
        "ZSTD2",
        "",
    ] {
        let headers = [token, media, version, ("content-encoding", encoding)];
        let refused = company.post(&headers, body.clone()).await;
        assert_eq!(refused.status.as_u16(), 415, "{encoding}");
    }
    let stacked = [
        token,
        media,
        version,
        ("content-encoding", "zstd"),
        ("content-encoding", "gzip"),
    ];
    assert_eq!(company.post(&stacked, body.clone()).await.status.as_u16(), 415);
    let none = [token, media, version];
    assert_eq!(company.post(&none, body.clone()).await.status.as_u16(), 415);
    // Another version of the protocol, and none.
    let zstd = ("content-encoding", "zstd");
    let newer = [token, media, zstd, ("fieldpool-protocol", "2")];
    assert_eq!(company.post(&newer, body.clone()).await.code(), "upgrade_required");
    let silent = [token, media, zstd];
    assert_eq!(company.post(&silent, body.clone()).await.status.as_u16(), 400);
    let nobody = [media, zstd, version];
    assert_eq!(company.post(&nobody, body).await.code(), "unauthenticated");
}

#[tokio::test]
async fn t018_an_envelope_cut_or_flipped_at_any_byte_leaves_nothing_half_done() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "seen")]);
        let mut request = wang.request_with(&[visit]);
        request.intents.push(wang.intent(customer, IntentAction::Claim));
        let whole = frame::encode(&request);
        let written = "SELECT (SELECT COUNT(*) FROM change) + (SELECT COUNT(*) FROM intent) + \
                       (SELECT COUNT(*) FROM refusal) + (SELECT COUNT(*) FROM audit)";
        let before = company.number(written).await;
        for length in 0..whole.len() {
            let refused = wang.post_bytes(&company, whole[..length].to_vec()).await;
            assert_eq!(refused.status.as_u16(), 422, "cut at {length}");
        }
        assert_eq!(company.number(written).await, before);
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            let answered = wang.post_bytes(&company, flipped).await;
            // What is still a message is one that says something else: its changes then disagree with its digest.
            assert!(
                answered.status.is_success() || answered.status.is_client_error(),
                "{place}"
            );
        }
        let odd = "SELECT COUNT(*) FROM change WHERE kind <> 1 AND log_seq > 0 AND seq <> 1";
        assert_eq!(company.number(odd).await, 0);
        assert!(company.number("SELECT COUNT(*) FROM document WHERE kind = 5").await <= 1);
    }
}

#[tokio::test]
async fn a_token_speaks_for_its_own_device_only() {
    for company in Company::each().await {
        let (mut wang, li) = (company.phone("wang").await, company.phone("li").await);
        let request = wang.request();
        let refused = li.post(&company, &request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (409, "actor_conflict")
        );
    }
}
