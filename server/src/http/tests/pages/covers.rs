//! Standing in for somebody: a form that says what is wrong, a list, an end before the time.

use super::*;

fn day(company: &Company, days: i64) -> String {
    let at = company.test.app.seam.now().plus_ms(days * 24 * 60 * 60 * 1000);
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap()
        .strftime("%Y-%m-%d")
        .to_string()
}

#[tokio::test]
async fn a_leave_is_covered_until_the_end_of_a_day_and_ended_before_it() {
    for company in companies().await {
        let shop = company.customer(company.wang, "A").await;
        let west = company.test.team(company.org, "West", None).await;
        let zhao = company
            .test
            .person(company.org, "zhao", Role::Rep, Some(west), &[])
            .await;
        let (of, by) = (company.wang.to_string(), format!("person:{zhao}"));
        let boss = Browser::of(&company.test, "boss").await;
        let page = boss.get("/covers").await;
        assert!(page.has("WANG · 1 customer") && page.has("No cover so far.") && !page.has("pool:"));
        let other = Browser::of(&company.test, "zhao").await;
        assert!(other.get("/covers").await.has("Covers that concern you"));
        assert_eq!(
            other.get(&format!("/customers/{shop}")).await.status,
            StatusCode::NOT_FOUND
        );

        let today = day(&company, 0);
        let form = [("of", of.as_str()), ("by", &by), ("until", &today), ("reason", "年假")];
        let begun = boss.submit("/covers", "/covers/begin", &form).await;
        assert_eq!(begun.location, "/covers?done=begun", "{}", begun.html);
        let list = boss.get(&begun.location).await;
        assert!(list.has("The cover has begun.") && list.has("年假") && list.has("all customers"));
        assert!(
            list.has("T15:59:59.999Z"),
            "the day ends in the organisation's zone: {}",
            list.html
        );
        let shown = other.get(&format!("/customers/{shop}")).await;
        assert!(
            shown.status == StatusCode::OK && shown.has("temporary cover"),
            "{}",
            shown.html
        );
        let his = other.get("/covers").await;
        assert!(his.has("年假") && !his.has("/end\""));

        let end = format!(
            "/covers/{}/end",
            list.html.split("id=\"c-").nth(1).unwrap().split('"').next().unwrap()
        );
        assert_eq!(other.submit("/covers", &end, &[]).await.status, StatusCode::FORBIDDEN);
        let ended = boss.submit("/covers", &end, &[]).await;
        assert_eq!(ended.location, "/covers?done=ended");
        assert!(boss.get("/covers").await.has("ended"));
        assert_eq!(
            other.get(&format!("/customers/{shop}")).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_cover_is_said_beside_the_form_which_is_kept() {
    for company in companies().await {
        company.customer(company.wang, "A").await;
        let boss = Browser::of(&company.test, "boss").await;
        let (wang, li) = (company.wang.to_string(), format!("person:{}", company.li));
        let (today, past, far) = (day(&company, 0), day(&company, -2), day(&company, 400));
        let himself = format!("person:{wang}");
        for (of, by, until, said) in [
            ("", li.as_str(), today.as_str(), "Choose who is away"),
            (&wang, "", &today, "Choose who is away"),
            (&wang, "pool:x", &today, "Choose who is away"),
            (&wang, &li, "tomorrow", "Choose a day"),
            (&wang, &li, "-9999-01-01", "Choose a day"),
            (&wang, &li, "9999-12-31", "Choose a day"),
            (&wang, &li, &past, "Choose a day"),
            (&wang, &li, &far, "Choose a day"),
            (&wang, &himself, &today, "Covered by himself"),
        ] {
            let form = [("of", of), ("by", by), ("until", until), ("reason", "because")];
            let got = boss.submit("/covers", "/covers/begin", &form).await;
            assert!(got.status == StatusCode::OK && got.has(said), "{said}: {}", got.html);
            assert!(got.has("role=\"alert\"") && got.has(">because</textarea>"), "{said}");
        }
        let rep = Browser::of(&company.test, "li").await;
        let form = [("of", wang.as_str()), ("by", li.as_str()), ("until", today.as_str())];
        let got = rep.submit("/devices", "/covers/begin", &form).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN);
        assert!(boss.get("/covers").await.has("No cover so far."));
    }
}
