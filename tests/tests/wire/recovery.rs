//! After a restore: what a device may bring of others, and how it and the server find out where they differ.

use server::actions::recovery::set_recovering;
use sync_core::{
    document::{Document, Kind},
    ids::{ActorId, UserId},
    protocol::{
        compare::{Behind, Belief, Compare, Compared, HeldDocument, HeldSum, Reconcile},
        message::SyncRequest,
    },
};
use tests::wire::{Client, Company, Draft, all_verdicts, text};

use super::{ACCEPTED, all_said, rejected};

const FLAGS: &str = "SELECT CAST(SUM(security_flags) AS BIGINT) FROM device";

/// A message of `bearer` with what `author` has made.
fn bringing(bearer: &mut Client, author: &Client, draft: &Draft) -> SyncRequest {
    let mut request = bearer.request_with(std::slice::from_ref(draft));
    request.actors.clear();
    request.reconcile = Some(Reconcile {
        compare: Compare::Later,
        beliefs: Vec::new(),
        behind: vec![Behind {
            actor: author.actor,
            user: author.token.user,
            device: Some(author.token.device),
        }],
    });
    request
}

async fn bring(bearer: &mut Client, author: &Client, draft: &Draft) -> Vec<String> {
    let request = bringing(bearer, author, draft);
    let response = bearer.send(request).await.unwrap().unwrap();
    all_said(&all_verdicts(&response, draft.changes.len()))
}

#[tokio::test]
async fn t042_what_others_wrote_is_taken_while_recovery_lasts_from_whoever_may_read_it() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut wang, mut office, mut li) = (
            company.phone("wang").await,
            company.phone("office").await,
            company.phone("li").await,
        );
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "lost")]);
        // Nobody has declared a recovery: it is not taken, and not held against the device.
        assert_eq!(bring(&mut office, &wang, &visit).await, ["rejected recovery_over"]);
        assert_eq!(company.number(FLAGS).await, 0);
        set_recovering(company.app(), company.org, true).await.unwrap();
        assert_eq!(
            bring(&mut li, &wang, &visit).await,
            ["retry MissingCustomer"],
            "he may not read it"
        );
        assert_eq!(bring(&mut office, &wang, &visit).await, ["accepted"]);
        let his = format!(
            "SELECT COUNT(*) FROM document WHERE kind = 5 AND author_id = {}",
            company.literal(company.user("wang").0)
        );
        // It had it all the time, and is not sent it.
        office.held.insert(visit.document, wang.held[&visit.document].clone());
        assert_eq!(company.number(&his).await, 1, "it stays his");
        assert_eq!(company.number("SELECT changes FROM recovered_document").await, 1);
        assert_eq!(company.audited("recover").await, 1);
        // Again, and from its author, it changes nothing.
        assert_eq!(bring(&mut office, &wang, &visit).await, ["accepted"]);
        assert_eq!(wang.push(std::slice::from_ref(&visit)).await, [ACCEPTED]);
        let more = wang.edit(visit.document, &[text("outcome", "good")]);
        assert_eq!(wang.push(&[more]).await, [ACCEPTED]);
        // Something else under the same name is refused, and no fault of his.
        let mut other = Document::new(Kind::Visit);
        let built = other
            .edit(wang.actor, company.app().seam.now(), &[text("note", "forged")])
            .unwrap()
            .unwrap();
        let forged = Draft {
            changes: vec![built],
            ..visit.clone()
        };
        assert_eq!(bring(&mut office, &wang, &forged).await, ["rejected recovered_differs"]);
        // Nor is it when what stands here came from another and is not what he wrote himself: whichever came first,
        // during the recovery or after it.
        for recovers in [true, false] {
            set_recovering(company.app(), company.org, recovers).await.unwrap();
            assert_eq!(
                wang.push(std::slice::from_ref(&forged)).await,
                [rejected("equivocation")]
            );
        }
        set_recovering(company.app(), company.org, true).await.unwrap();
        let next = wang.write(customer, Kind::Visit, &[text("note", "goes on")]);
        assert_eq!(wang.push(&[next]).await, [ACCEPTED]);
        // Nobody is made up.
        let ghost = wang.write(customer, Kind::Visit, &[text("note", "ghost")]);
        let mut request = bringing(&mut office, &wang, &ghost);
        if let Some(reconcile) = &mut request.reconcile {
            reconcile.behind[0].actor = ActorId([7; 16]);
            reconcile.behind[0].user = UserId(company.app().seam.uuid());
        }
        tests::wire::rewrite(&mut request.documents[0], 0, |change| change.actor = ActorId([7; 16]));
        let response = office.send(request).await.unwrap().unwrap();
        assert_eq!(all_verdicts(&response, 1), [rejected("actor_unknown")]);
    }
}

fn held(client: &Client) -> Vec<HeldDocument> {
    let documents = client.held.iter().map(|(document, held)| {
        let changes = held.document.changes().iter();
        let mut last = std::collections::BTreeMap::new();
        for change in changes {
            let seq: &mut u64 = last.entry(change.actor).or_default();
            *seq = (*seq).max(change.seq);
        }
        HeldDocument::new(*document, last)
    });
    documents.filter(|held| !held.actors.is_empty()).collect()
}

async fn compare(client: &mut Client, compare: Compare) -> Compared {
    let mut request = client.request();
    request.reconcile = Some(Reconcile {
        compare,
        beliefs: Vec::new(),
        behind: Vec::new(),
    });
    let response = client.send(request).await.unwrap().unwrap();
    response.compared.expect("it is compared")
}

#[tokio::test]
async fn t042_a_device_and_the_server_find_what_differs_by_halving_and_lose_nothing() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let gone = company.customer_of("wang", "已转").await;
        let (mut wang, mut office) = (company.phone("wang").await, company.phone("office").await);
        wang.pull().await;
        let known = wang.write(customer, Kind::Visit, &[text("note", "known")]);
        assert_eq!(wang.push(&[known]).await, [ACCEPTED]);
        wang.pull().await;
        let all = held(&wang);
        assert_eq!(all.len(), 3);
        assert_eq!(
            compare(&mut wang, Compare::All(HeldSum::of(&all))).await,
            Compared::Same { again: false }
        );
        assert_eq!(
            compare(&mut wang, Compare::Buckets(HeldSum::by_bucket(&all))).await,
            Compared::Same { again: false }
        );
        // The device lacks a card that it was sent, and has a visit that the server never saw.
        let card = wang.card(customer);
        let mut mine: Vec<HeldDocument> = all.iter().filter(|held| held.document != card).cloned().collect();
        let unseen = HeldDocument::new(wang.new_id(), [(wang.actor, 1)]);
        mine.push(unseen.clone());
        assert_eq!(
            compare(&mut wang, Compare::All(HeldSum::of(&mine))).await,
            Compared::Buckets
        );
        let Compared::Documents(buckets) = compare(&mut wang, Compare::Buckets(HeldSum::by_bucket(&mine))).await else {
            panic!("two buckets differ");
        };
        let documents: Vec<HeldDocument> = mine
            .into_iter()
            .filter(|held| buckets.contains(&held.bucket()))
            .collect();
        let Compared::Differ { wanted, offered, .. } =
            compare(&mut wang, Compare::Documents { buckets, documents }).await
        else {
            panic!("it says what differs");
        };
        assert_eq!((wanted, offered), (vec![card], vec![unseen.document]));

        // Of what was never his he learns no more than of what there is not.
        let foreign = company.customer_of("li", "别家").await;
        let theirs = HeldDocument::new(wang.card(foreign), [(wang.actor, 1)]);
        let nothing = HeldDocument::new(wang.new_id(), [(wang.actor, 1)]);
        let says = Compare::Documents {
            buckets: vec![theirs.bucket(), nothing.bucket()],
            documents: [vec![theirs.clone(), nothing.clone()], all.clone()].concat(),
        };
        let Compared::Differ { offered, .. } = compare(&mut wang, says).await else {
            panic!("it says what differs");
        };
        assert_eq!(offered.len(), 2);
        assert!(offered.contains(&theirs.document) && offered.contains(&nothing.document));
        assert!(wang.losses.is_empty());
        assert_eq!(company.number("SELECT COUNT(*) FROM eviction").await, 0);

        // What he may no longer read he is told, but not while the server is getting back what it had.
        office.pull().await;
        company.assign(gone, "li").await;
        let mut stale = wang.request();
        stale.reconcile = Some(Reconcile {
            compare: Compare::Later,
            beliefs: Vec::new(),
            behind: Vec::new(),
        });
        set_recovering(company.app(), company.org, true).await.unwrap();
        let page = wang.send(stale).await.unwrap();
        assert!(page.is_none_or(|page| page.access.is_empty()), "{}", company.test.name);
        let buckets: Vec<u8> = (0..=255).collect();
        let says = |documents: &[HeldDocument]| Compare::Documents {
            buckets: buckets.clone(),
            documents: documents.to_vec(),
        };
        let Compared::Differ {
            wanted, offered, again, ..
        } = compare(&mut wang, says(&all)).await
        else {
            panic!("it says what differs");
        };
        assert_eq!((wanted.len(), offered.len(), again), (0, 0, true));
        assert!(wang.losses.is_empty());
        set_recovering(company.app(), company.org, false).await.unwrap();
        compare(&mut wang, says(&all)).await;
        assert_eq!(wang.losses.len(), 1);
        assert_eq!(wang.losses[0].customer, gone);
    }
}

#[tokio::test]
async fn t042_what_was_written_for_a_customer_that_only_the_lost_time_had_given_waits_for_the_operator_and_is_kept() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut li = company.phone("li").await;
        li.pull().await;
        set_recovering(company.app(), company.org, true).await.unwrap();
        let visit = li.write(customer, Kind::Visit, &[text("note", "as its owner")]);
        let believes = |owner| Reconcile {
            compare: Compare::Later,
            beliefs: vec![Belief {
                customer,
                owner: Some(owner),
                pool: None,
                version: 5,
            }],
            behind: Vec::new(),
        };
        let mut request = li.request_with(std::slice::from_ref(&visit));
        request.reconcile = Some(believes(li.token.user));
        let response = li.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["retry MissingCustomer"]);
        assert_eq!(company.number("SELECT version FROM believed_owner").await, 5);
        // Said again, and what agrees with the server, adds nothing.
        let mut wang = company.phone("wang").await;
        for (client, owner) in [(&mut li, company.user("li")), (&mut wang, company.user("wang"))] {
            let mut request = client.request();
            request.reconcile = Some(believes(owner));
            if client.token.user == company.user("wang") {
                request.reconcile.as_mut().unwrap().beliefs[0].version = 1;
            }
            client.send(request).await.unwrap();
        }
        assert_eq!(company.number("SELECT COUNT(*) FROM believed_owner").await, 1);
        // Nobody gave it to him again: what he wrote is a manager's to decide about.
        set_recovering(company.app(), company.org, false).await.unwrap();
        let request = li.request_with(std::slice::from_ref(&visit));
        let response = li.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["quarantined no_permission"]);
    }
}
