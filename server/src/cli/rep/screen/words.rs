//! Every sentence of the full-screen phone, in English and Chinese. One that lacks a language does not compile.

use crate::cli::rep::language::Language;

macro_rules! words {
    ($($name:ident: $english:literal, $chinese:literal;)*) => {
        /// The sentences of one language. `{0}`, `{1}` stand for what [`fill`] puts there.
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        const ENGLISH: Words = Words { $($name: $english,)* };
        const CHINESE: Words = Words { $($name: $chinese,)* };

        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $chinese),)*];
    };
}

words! {
    // Pages and parts of pages.
    mine: "Mine", "我的";
    pool: "Pool", "公海";
    everyone: "All", "全部";
    timeline: "Timeline", "动态";
    contacts: "Contacts", "联系人";
    opportunities: "Opportunities", "商机";
    fields: "Portrait", "画像";
    conflicts: "Conflicts", "冲突";
    outbox: "Outbox", "发件箱";
    notices: "Notices", "通知";
    help: "Keys", "按键";
    owner: "Owner", "负责人";
    nobody: "nobody", "无";
    last_contact: "Last contact", "最近联系";
    search: "Search", "搜索";
    search_hint: "part of a name, a note, a contact…", "名称、记录、联系人的任意片段…";

    // Empty pages: one sentence, one action.
    no_customers: "No customer here yet. Press s to sync, or 2 to look at the pool.", "这里还没有客户。按 s 同步，或按 2 查看公海。";
    no_pool: "No customer in the pool that you may claim.", "公海中没有您可以领取的客户。";
    no_match: "Nothing on this phone matches “{0}”. Esc clears the search.", "本机没有与“{0}”匹配的内容。按 Esc 清除搜索。";
    no_timeline: "Nothing has happened yet. Press v for a visit, f for a follow-up.", "还没有动态。按 v 记录拜访，按 f 记录跟进。";
    no_contacts: "No contact yet.", "还没有联系人。";
    no_opportunities: "No opportunity yet.", "还没有商机。";
    no_conflicts: "No field has two values.", "没有字段存在双值。";
    no_fields: "You may not read more of this customer.", "您无权查看此客户的更多内容。";
    no_outbox: "Nothing waits to be sent, and nothing was refused.", "没有待同步的内容，也没有被退回的内容。";
    no_notices: "Nothing to tell yet.", "还没有通知。";
    gone: "This customer is no longer on this phone.", "此客户已不在本机。";
    loading: "Reading this phone…", "正在读取本机…";

    // The status line.
    online: "online", "在线";
    offline: "offline", "离线";
    not_tried: "not connected yet", "尚未连接";
    flight: "flight mode", "飞行模式";
    syncing: "syncing", "同步中";
    sign_in_needed: "sign in again (i)", "请重新登录 (i)";
    shut_out: "locked out", "已停用";
    pending_count: "{0} pending", "待同步 {0}";
    refused_count: "{0} refused", "被退回 {0}";
    last_sync: "synced {0}", "上次同步 {0}";
    never_synced: "never synced", "从未同步";
    not_encrypted: "store not encrypted", "存储未加密";
    encrypted: "store encrypted", "存储已加密";
    not_signed_in: "nobody signed in", "未登录";
    state_offboarding: "You are leaving: this phone only sends what it still holds, then it is wiped.", "您正在办理离职：本机只上传尚未同步的内容，随后清除。";
    state_wiped: "This phone was wiped. Nothing of any customer is left on it.", "本机已清除，不再保留任何客户内容。";
    state_locked: "This phone is locked. What is unsent stays on it; sign in again (i), or ask your administrator.", "本机已锁定，未同步的内容仍保留。请重新登录 (i) 或联系管理员。";

    // States of documents and marks.
    pending: "pending", "待同步";
    refused: "refused", "被退回";
    late: "arrived after handover", "交接后到达";
    done: "done", "已完成";
    due: "due {0}", "{0} 到期";
    planned: "planned {0}", "计划 {0}";
    today: "today", "今天";
    yesterday: "yesterday", "昨天";
    days_ago: "{0} d ago", "{0} 天前";
    never: "–", "–";
    claiming: "claim undecided", "领取待定";
    releasing: "release undecided", "退回待定";
    creating: "new", "新建";
    choose_value: "Enter keeps the value that is marked.", "按 Enter 保留所选的值。";
    held: "held at the server until a manager decides", "已留在服务器，等待主管处理";

    // What happened.
    recorded_visit: "Visit recorded on this phone.", "拜访已记录在本机。";
    recorded_follow_up: "Follow-up recorded on this phone.", "跟进已记录在本机。";
    recorded: "Recorded on this phone.", "已记录在本机。";
    recorded_customer: "Customer recorded on this phone; it is provisional until the server has it.", "客户已记录在本机，同步前为暂定。";
    claim_recorded: "Claim recorded: the server decides it with the next sync.", "已记录领取意向，由服务器在下次同步时裁定。";
    release_recorded: "Release recorded: the server decides it with the next sync.", "已记录退回公海，由服务器在下次同步时裁定。";
    value_chosen: "Value chosen; the conflict is settled on this phone.", "已选定，本机上的冲突已解决。";
    dismissed: "Taken out of the outbox.", "已从列表移除。";
    flight_on: "Flight mode is on: nothing leaves this phone.", "飞行模式已开启：本机不再收发数据。";
    flight_off: "Flight mode is off.", "飞行模式已关闭。";
    flight_blocks_sync: "Flight mode is on. Press m to turn it off, then sync.", "飞行模式已开启。请按 m 关闭后再同步。";
    progress: "Syncing: round {0}, {1} sent, {2} received, {3}", "同步中：第 {0} 轮，已发送 {1}，已收到 {2}，{3}";
    sync_begins: "Syncing…", "正在同步…";
    sync_done: "Synced: {0} sent, {1} received.", "同步完成：发送 {0}，收到 {1}。";
    sync_nothing: "Synced: nothing new.", "同步完成：没有新内容。";
    sync_refused: "{0} refused; press o to see why.", "被退回 {0}，按 o 查看原因。";
    evicted: "{0} customers have left this phone.", "{0} 个客户已从本机移除。";
    reset: "The server came back from a backup; everything on this phone was offered to it again.", "服务器已从备份恢复，本机内容已重新上传。";
    intent_accepted: "{0}: accepted ({1}).", "{0}：已通过（{1}）。";
    intent_rejected: "{0}: refused ({1}). {2}", "{0}：被退回（{1}）。{2}";
    signed_in: "{0}, this phone is yours. Syncing your customers…", "{0}，本机已登记。正在同步您的客户…";
    already_claiming: "You have already claimed this customer; sync to have it decided.", "您已领取此客户，请同步以裁定。";
    not_in_pool: "Only a customer in the pool can be claimed.", "只能领取公海中的客户。";
    not_yours: "Only a customer of yours can go back to the pool.", "只能退回您负责的客户。";
    not_a_follow_up: "Only a follow-up can be marked as done.", "只有跟进可以标记为完成。";
    not_editable: "This is not edited here.", "此处不可编辑。";
    only_refused: "Only what was refused can be taken out; what waits is sent with the next sync.", "只能移除被退回的条目；待同步的条目会在下次同步时发送。";
    unknown_error: "Something went wrong ({0}): {1}", "出错了（{0}）：{1}";

    // Forms.
    visit: "Visit", "拜访";
    follow_up: "Follow-up", "跟进";
    edit: "Edit", "编辑";
    new_customer: "New customer", "新建客户";
    release: "Return to pool", "退回公海";
    sign_in: "Sign in on this phone", "在本机登录";
    check_in: "Check-in", "签到时间";
    purpose: "Purpose", "目的";
    note: "Note", "记录";
    outcome: "Outcome", "结果";
    next_date: "Next visit", "下次拜访";
    text: "Text", "内容";
    channel: "Channel", "方式";
    due_date: "Due", "到期日";
    name: "Name", "名称";
    region: "Region", "区域";
    stage: "Stage", "阶段";
    needs: "Needs", "需求";
    reason: "Reason", "原因";
    server: "Server", "服务器";
    login: "Login", "账号";
    password: "Password", "密码";
    none: "(none)", "（无）";
    yes: "yes", "是";
    no: "no", "否";
    date_hint: "YYYY-MM-DD, or +3 for in three days", "YYYY-MM-DD，或 +3 表示三天后";
    time_hint: "YYYY-MM-DD HH:MM, or HH:MM today", "YYYY-MM-DD HH:MM，或当天 HH:MM";
    choice_hint: "← → to choose", "← → 选择";
    tags_hint: "separated by spaces", "用空格分隔";
    server_hint: "http://… or https://…", "http://… 或 https://…";
    form_keys: "Tab next · Ctrl-S save · Esc cancel", "Tab 下一项 · Ctrl-S 保存 · Esc 取消";
    saving: "Saving…", "正在保存…";
    needed: "{0} is needed.", "请填写{0}。";
    bad_date: "Write the date like 2026-03-01.", "日期请写成 2026-03-01。";
    bad_time: "Write the time like 2026-03-01 09:30.", "时间请写成 2026-03-01 09:30。";
    in_the_future: "A check-in cannot lie in the future.", "签到时间不能晚于现在。";
    bad_server: "Write the whole address, such as https://pool.example.com.", "请填写完整地址，例如 https://pool.example.com。";

    // Leaving.
    quit_title: "Not everything is synced", "还有未同步的内容";
    quit_warning: "{0} changes wait to be sent. They stay on this phone and nothing is lost: they leave with the next sync.", "有 {0} 项内容等待同步。它们保留在本机，不会丢失，下次同步时发送。";
    quit_keys: "q quit · s sync now · Esc stay", "q 退出 · s 立即同步 · Esc 返回";

    // Keys: a letter, then what it does.
    key_move: "↑↓ move", "↑↓ 移动";
    key_open: "Enter open", "Enter 打开";
    key_back: "Esc back", "Esc 返回";
    key_search: "/ search", "/ 搜索";
    key_visit: "v visit", "v 拜访";
    key_follow_up: "f follow-up", "f 跟进";
    key_edit: "e edit", "e 编辑";
    key_done: "x done", "x 完成";
    key_choose: "Enter keep value", "Enter 保留此值";
    key_claim: "c claim", "c 领取";
    key_release: "r return", "r 退回公海";
    key_new: "a new customer", "a 新建客户";
    key_sections: "Tab section", "Tab 切换";
    key_tabs: "1 2 3 mine/pool/all", "1 2 3 我的/公海/全部";
    key_sync: "s sync", "s 同步";
    key_flight: "m flight mode", "m 飞行模式";
    key_outbox: "o outbox", "o 发件箱";
    key_notices: "n notices", "n 通知";
    key_dismiss: "d take out", "d 移除";
    key_sign_in: "i sign in", "i 登录";
    key_language: "L 中文", "L English";
    key_help: "? keys", "? 按键";
    key_quit: "q quit", "q 退出";
    key_accept: "Enter accept", "Enter 确定";
    any_key: "Any key closes this.", "按任意键关闭。";
}

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        const { &[ENGLISH, CHINESE] }
            .get(language.pick(0, 1))
            .unwrap_or(&ENGLISH)
    }
}

/// Puts `values` where `{0}`, `{1}`… stand.
pub(super) fn fill(sentence: &str, values: &[&dyn std::fmt::Display]) -> String {
    let mut out = String::new();
    let mut rest = sentence;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = from.find('}') else {
            rest = from;
            break;
        };
        // What is put in is never read again: a name with braces in it stays what it is.
        if let Some(value) = from[1..close].parse().ok().and_then(|index: usize| values.get(index)) {
            out.push_str(&value.to_string());
        }
        rest = &from[close + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_there_in_both_languages_with_the_same_places_to_fill() {
        for (name, english, chinese) in ALL {
            assert!(!english.is_empty() && !chinese.is_empty(), "{name}");
            for place in ["{0}", "{1}", "{2}", "{3}"] {
                assert_eq!(english.contains(place), chinese.contains(place), "{name} {place}");
            }
            let is_sign = english.chars().all(|letter| !letter.is_ascii_alphabetic());
            let is_chinese = chinese
                .chars()
                .any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            assert!(
                is_sign || is_chinese || *name == "key_language",
                "{name} is not translated"
            );
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert_eq!(fill("{1}: {0}!", &[&"{1}", &2]), "2: {1}!");
        assert_eq!(fill("no end {", &[]), "no end {");
    }
}
