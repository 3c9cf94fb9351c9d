//! Pictures, in both languages and on small terminals.

use unicode_width::UnicodeWidthStr;

use super::*;
use crate::cli::rep::screen::model::{Progress, SyncResult};

const BOTH: [Language; 2] = [Language::En, Language::Zh];
/// A common terminal, a narrow one, a large one.
const SIZES: [(u16, u16); 3] = [(80, 24), (40, 24), (120, 40)];

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in\n{text}");
    }
}

#[test]
fn the_list_shows_names_stages_last_contact_and_marks_in_both_languages() {
    let text = drawn(&opened(Language::Zh), 80, 24);
    contains(&text, &["李伟 · 在线 · 待同步 0 · 上次同步 09:29 · 存储未加密"]);
    contains(
        &text,
        &[
            "1 我的 1",
            "2 公海 1",
            "3 全部 2",
            "长城贸易有限公司",
            "意向",
            "3 天前",
            "↑2 !1 ✗1",
        ],
    );
    contains(&text, &["? 按键", "/ 搜索", "s 同步", "m 飞行模式", "q 退出"]);
    let text = drawn(&opened(Language::En), 80, 24);
    contains(&text, &["online", "0 pending", "synced 09:29", "store not encrypted"]);
    contains(&text, &["1 Mine 1", "Intent", "3 d ago", "? keys", "q quit"]);
}

#[test]
fn columns_stand_below_each_other_also_beside_chinese_names() {
    let mut model = opened(Language::En);
    press(&mut model, KeyCode::Char('3'));
    let text = drawn(&model, 80, 24);
    let column = |line: &str, word: &str| line.split(word).next().unwrap().width();
    let wall = text.lines().find(|line| line.contains("长城")).unwrap();
    let east = text.lines().find(|line| line.contains("East Sea")).unwrap();
    assert_eq!(column(wall, "Intent"), column(east, "Lead"), "\n{text}");
    assert_eq!(column(wall, "3 d ago"), column(east, "–"), "\n{text}");
    assert!(text.lines().all(|line| line.width() == 80), "\n{text}");
}

#[test]
fn a_customer_shows_what_happened_with_purpose_state_and_what_is_overdue() {
    let text = drawn(&opened_customer(Language::Zh), 80, 24);
    contains(
        &text,
        &["长城贸易有限公司 · 意向 · 负责人 李伟", "动态 2", "联系人 0", "冲突 1"],
    );
    contains(
        &text,
        &["2026-11-24 08:30", "拜访", "待同步", "续约 · 见了采购，谈了明年的价格"],
    );
    contains(&text, &["跟进", "2026-11-20 到期", "微信 · Send the quote"]);
    let mut model = opened_customer(Language::En);
    press(&mut model, KeyCode::BackTab);
    contains(
        &drawn(&model, 80, 24),
        &["Card · Region", "华北", "华南", "韩梅", "Enter keeps the value"],
    );
    press(&mut model, KeyCode::BackTab);
    contains(
        &drawn(&model, 80, 24),
        &["Region", "华北", "Stage", "Intent", "Tags", "vip  east"],
    );
}

#[test]
fn a_refusal_stands_in_the_outbox_with_its_reason_and_who_was_faster() {
    for (language, words) in [
        (
            Language::En,
            ["0", "refused", "Claim", "Somebody else claimed it first. (Owner: 韩梅)"],
        ),
        (Language::Zh, ["0", "被退回", "领取", "已被他人先领取。 (负责人: 韩梅)"]),
    ] {
        let mut model = opened(language);
        let mut snapshot = snapshot();
        snapshot.entries = vec![refused_claim()];
        press(&mut model, KeyCode::Char('o'));
        update(&mut model, Message::Read(Box::new(snapshot)));
        contains(&drawn(&model, 80, 24), &words);
        contains(&drawn(&model, 80, 24), &["East Sea Textile"]);
    }
}

#[test]
fn a_sync_shows_how_far_it_is() {
    let mut model = opened(Language::Zh);
    press(&mut model, KeyCode::Char('s'));
    let progress = Progress {
        rounds: 3,
        sent: 2,
        received: 480,
        bytes: 35_000,
    };
    update(&mut model, Message::Progress(progress));
    contains(
        &drawn(&model, 80, 24),
        &["同步中：第 3 轮，已发送 2，已收到 480，35 kB"],
    );
    update(
        &mut model,
        Message::Synced(SyncResult {
            sent: 2,
            received: 480,
            ..SyncResult::default()
        }),
    );
    contains(&drawn(&model, 80, 24), &["同步完成：发送 2，收到 480。"]);
}

#[test]
fn forms_help_and_the_warning_fit_into_every_size() {
    for language in BOTH {
        for (columns, rows) in SIZES {
            let mut model = opened(language);
            model.status.pending = 3;
            press(&mut model, KeyCode::Char('v'));
            type_text(
                &mut model,
                "采购部要求明年全部改用新的结算方式，并希望我们在十二月之前给出方案",
            );
            let form = drawn(&model, columns, rows);
            contains(
                &form,
                &[language.pick("Check-in", "签到时间"), "Ctrl-S", "2026-11-24 09:30"],
            );
            // What is typed is wrapped, not cut.
            let typed: String = form
                .chars()
                .filter(|letter| ('\u{4e00}'..='\u{9fff}').contains(letter))
                .collect();
            assert!(typed.contains("方案"), "\n{form}");
            press(&mut model, KeyCode::Esc);
            press(&mut model, KeyCode::Char('?'));
            let help = drawn(&model, columns, rows);
            contains(
                &help,
                &[
                    language.pick("m flight mode", "m 飞行模式"),
                    language.pick("q quit", "q 退出"),
                ],
            );
            press(&mut model, KeyCode::Char('x'));
            press(&mut model, KeyCode::Char('q'));
            contains(&drawn(&model, columns, rows), &[language.pick("Esc stay", "Esc 返回")]);
        }
    }
}

#[test]
fn on_40_columns_names_stages_and_marks_are_still_there() {
    for language in BOTH {
        let text = drawn(&opened(language), 40, 24);
        contains(
            &text,
            &[
                "长城贸易",
                language.pick("Intent", "意向"),
                "↑2 !1 ✗1",
                language.pick("? keys", "? 按键"),
            ],
        );
        let text = drawn(&opened_customer(language), 40, 24);
        contains(
            &text,
            &[
                "长城贸易有限公司",
                "11-24 08:30",
                language.pick("Timeline 2", "动态 2"),
                "见了采购",
            ],
        );
    }
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut model = opened_customer(Language::Zh);
    for (columns, rows) in [(1, 1), (2, 5), (10, 3), (20, 6), (300, 2)] {
        drawn(&model, columns, rows);
        for key in ['v', '?', 'q'] {
            press(&mut model, KeyCode::Char(key));
            drawn(&model, columns, rows);
            press(&mut model, KeyCode::Esc);
        }
    }
}

#[test]
fn what_a_terminal_would_obey_is_not_drawn() {
    let mut row = customers()[0].clone();
    row["name"] = "a\u{1b}[31m\u{202e}b\nc".into();
    let mut model = opened(Language::En);
    let mut snapshot = snapshot();
    snapshot.customers = vec![Row::read(&row, ME).unwrap()];
    update(&mut model, Message::Heard(mobile_ffi::phone::Heard::Poke));
    update(&mut model, Message::Synced(SyncResult::default()));
    update(&mut model, Message::Read(Box::new(snapshot)));
    contains(&drawn(&model, 80, 24), &["a [31mb c"]);
}
