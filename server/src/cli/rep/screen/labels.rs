//! Names of what comes as a code: fields, kinds, relations, reasons of a refusal. One word for one thing, as in the
//! glossary.

use crate::cli::rep::language::Language;

type Label = (&'static str, &'static str, &'static str);

const FIELDS: &[Label] = &[
    ("name", "Name", "名称"),
    ("address", "Address", "地址"),
    ("lat", "Latitude", "纬度"),
    ("lon", "Longitude", "经度"),
    ("crs", "Coordinates", "坐标系"),
    ("region", "Region", "区域"),
    ("industry", "Industry", "行业"),
    ("source", "Source", "来源"),
    ("stage", "Stage", "阶段"),
    ("tier", "Tier", "分级"),
    ("tags", "Tags", "标签"),
    ("needs", "Needs", "需求"),
    ("preferences", "Preferences", "偏好"),
    ("plan", "Plan", "计划"),
    ("notes", "Notes", "备注"),
    ("title", "Title", "职务／标题"),
    ("role", "Role", "决策角色"),
    ("phones", "Phone", "电话"),
    ("email", "E-mail", "邮箱"),
    ("wechat", "WeChat", "微信"),
    ("birthday", "Birthday", "生日"),
    ("preferred_channel", "Preferred channel", "首选方式"),
    ("do_not_contact", "Do not contact", "请勿联系"),
    ("amount_minor", "Amount (minor units)", "金额（分）"),
    ("currency", "Currency", "币种"),
    ("close_date", "Expected close", "预计成交"),
    ("product", "Product", "产品"),
    ("loss_reason", "Reason of loss", "输单原因"),
    ("planned_at", "Planned", "计划时间"),
    ("started_at", "Check-in", "签到"),
    ("ended_at", "Check-out", "签退"),
    ("accuracy_m", "Accuracy (m)", "定位精度（米）"),
    ("mock", "Mock location", "虚拟定位"),
    ("note", "Note", "记录"),
    ("outcome", "Outcome", "结果"),
    ("next_date", "Next visit", "下次拜访"),
    ("purpose", "Purpose", "目的"),
    ("text", "Text", "内容"),
    ("channel", "Channel", "方式"),
    ("due", "Due", "到期日"),
    ("done", "Done", "已完成"),
    ("severity", "Severity", "严重程度"),
    ("satisfaction", "Satisfaction", "满意度"),
    ("credit", "Credit", "信用"),
    ("floor_price_minor", "Floor price", "底价"),
    ("comments", "Comments", "评论"),
    ("photos", "Photos", "照片"),
    ("actions", "Actions", "外勤动作"),
    ("ended_lat", "Latitude at check-out", "签退纬度"),
    ("ended_lon", "Longitude at check-out", "签退经度"),
    ("ended_accuracy_m", "Accuracy at check-out", "签退精度"),
];

const NAMES: &[Label] = &[
    ("card", "Card", "名片"),
    ("dossier", "Dossier", "档案"),
    ("internal", "Internal", "内部"),
    ("contact", "Contact", "联系人"),
    ("opportunity", "Opportunity", "商机"),
    ("visit", "Visit", "拜访"),
    ("follow_up", "Follow-up", "跟进"),
    ("ticket", "Ticket", "工单"),
    ("create", "New customer", "新建客户"),
    ("claim", "Claim", "领取"),
    ("release", "Return to pool", "退回公海"),
    ("assign", "Assign", "分配"),
    ("responsible", "Responsible", "责任人"),
    ("owner", "owner", "负责人"),
    ("collaborator", "collaborator", "协作人"),
    ("cover", "cover", "代管"),
    ("manager", "manager", "主管"),
    ("pool", "pool", "公海"),
    ("pool_admin", "pool administrator", "公海管理员"),
    ("team", "same team", "同团队"),
    ("back_office", "back office", "内勤"),
    ("admin", "administrator", "管理员"),
    ("service", "service", "客服"),
    ("auditor", "auditor", "审计"),
    ("phone", "phone", "电话"),
    ("wechat", "WeChat", "微信"),
    ("email", "e-mail", "邮件"),
    ("meeting", "meeting", "会议"),
    ("other", "other", "其他"),
    ("low", "low", "低"),
    ("normal", "normal", "普通"),
    ("high", "high", "高"),
    ("wgs84", "WGS-84", "WGS-84"),
    ("gcj02", "GCJ-02", "GCJ-02"),
    ("bd09", "BD-09", "BD-09"),
];

/// Codes of the phone, the server and the airlock that a person meets, with what to do.
const REASONS: &[Label] = &[
    (
        "offline",
        "The server cannot be reached. What you record is kept and is sent with the next sync.",
        "无法连接服务器。您的记录已保存在本机，下次同步时发送。",
    ),
    (
        "flight_mode",
        "Flight mode is on. Press m to turn it off, then sync.",
        "飞行模式已开启。请按 m 关闭后再同步。",
    ),
    (
        "busy",
        "The server is busy. What you have recorded is kept; sync again in a while.",
        "服务器繁忙。您的记录已保存，请稍后再同步。",
    ),
    (
        "sign_in_required",
        "The server asks you to sign in on this phone again: press i. Nothing on it is lost.",
        "服务器要求在本机重新登录：请按 i。本机内容不会丢失。",
    ),
    (
        "not_enrolled",
        "Nobody has signed in on this phone yet: press i.",
        "本机尚未登录：请按 i。",
    ),
    (
        "device_revoked",
        "This phone was revoked. What is unsent stays on it; ask your administrator.",
        "本机已被停用，未同步的内容仍保留。请联系管理员。",
    ),
    (
        "device_wiped",
        "This phone was wiped by order of the server.",
        "本机已按服务器指令清除。",
    ),
    (
        "account_not_active",
        "Your account is not active. What is unsent stays on this phone; ask your administrator.",
        "您的账号未启用，未同步的内容仍保留在本机。请联系管理员。",
    ),
    (
        "locked",
        "This phone has not reached the server for too long. Sign in again while it can: press i. What is unsent is kept.",
        "本机过久未连接服务器，已锁定。请联网后重新登录：按 i。未同步的内容仍保留。",
    ),
    (
        "offboarding",
        "This phone only hands in what it still holds and is wiped then.",
        "本机只上传尚未同步的内容，随后清除。",
    ),
    (
        "unsent_work",
        "Something has not been sent yet; sync first.",
        "还有未同步的内容，请先同步。",
    ),
    (
        "upgrade_required",
        "The server needs a newer version of this program. Your work is kept and can go on.",
        "服务器需要更新版本的程序。您的工作已保存，可以继续。",
    ),
    (
        "sync_in_progress",
        "Another sync of this phone is running; wait for it to end.",
        "本机正在进行另一次同步，请等待其完成。",
    ),
    (
        "sync_endless",
        "The server asks for ever more round trips; sync again later.",
        "服务器要求的往返次数过多，请稍后再同步。",
    ),
    ("wrong_credentials", "Login or password is wrong.", "账号或密码错误。"),
    (
        "too_many_attempts",
        "Too many attempts. Wait a while, then try again.",
        "尝试次数过多，请稍后再试。",
    ),
    (
        "device_limit",
        "You have too many phones. Revoke one in the web application first.",
        "您的设备过多，请先在网页端停用一台。",
    ),
    (
        "malformed_answer",
        "The answer is not a Fieldpool server's. Check the address.",
        "该地址不是 Fieldpool 服务器，请检查地址。",
    ),
    ("not_permitted", "You may not do this here.", "您无权执行此操作。"),
    (
        "not_found",
        "It is not on this phone, or you may not see it. Sync, then look again.",
        "本机没有此内容，或您无权查看。请同步后再试。",
    ),
    (
        "schema",
        "The value does not fit this field.",
        "该值不符合此字段的要求。",
    ),
    (
        "evidence_fixed",
        "Positions, times and photos of a visit cannot be changed afterwards.",
        "拜访的位置、时间和照片不能事后修改。",
    ),
    (
        "storage_full",
        "The storage of this phone is full. Free some space and try again; nothing recorded is lost.",
        "本机存储空间已满。请清理后重试，已记录的内容不会丢失。",
    ),
    (
        "store_failed",
        "The phone's store failed; what was recorded before is kept.",
        "本机存储出错，此前记录的内容仍保留。",
    ),
    ("already_claimed", "Somebody else claimed it first.", "已被他人先领取。"),
    ("already_created", "It was there already.", "该客户已存在。"),
    (
        "claim_lost",
        "It came after somebody else had claimed the customer.",
        "该客户已被他人领取，此内容在其后到达。",
    ),
    (
        "claim_limit",
        "You have reached the claim limit of the day.",
        "已达到当日领取上限。",
    ),
    (
        "holding_cap",
        "You hold as many customers as you may.",
        "已达到持有上限。",
    ),
    (
        "cooling_down",
        "You gave it back a short time ago; claim it later.",
        "您近期退回过此客户，请稍后再领取。",
    ),
    (
        "unknown_pool",
        "There is no such pool, or you are not in it.",
        "没有此公海，或您不在其中。",
    ),
    ("unknown_person", "There is no such person.", "没有此人员。"),
    (
        "superseded",
        "It built on a change that was refused.",
        "它依赖于被退回的修改。",
    ),
    (
        "equivocation",
        "This phone's data was copied or put back from a backup; the change is kept for the audit.",
        "本机数据曾被复制或从备份恢复，该修改已留存备查。",
    ),
    ("erased", "The person it is about was erased.", "相关人员信息已被删除。"),
    (
        "trial_failed",
        "The server could not apply it; it is kept there for a decision.",
        "服务器无法应用此修改，已留存待处理。",
    ),
    (
        "suspect_device",
        "This phone is under suspicion; a manager decides.",
        "本机存在异常，等待主管处理。",
    ),
    (
        "doc_too_large",
        "The document has grown too large; start a new one.",
        "文档过大，请新建。",
    ),
    ("too_large", "It is too large to be sent.", "内容过大，无法发送。"),
    ("too_deep", "It is nested too deeply.", "嵌套层级过深。"),
    (
        "seq_gap",
        "An earlier change of this phone is missing at the server.",
        "服务器缺少本机此前的修改。",
    ),
    ("missing_deps", "It waits for an earlier change.", "等待此前的修改。"),
    (
        "missing_customer",
        "It waits until the server knows the customer.",
        "等待服务器确认客户。",
    ),
    (
        "digest_mismatch",
        "It is sent once more, to be compared.",
        "正在重新发送以核对。",
    ),
    ("later", "The server decides it later.", "服务器稍后处理。"),
    (
        "internal",
        "Something went wrong inside this program; what was recorded is kept. Start it again.",
        "程序内部出错，已记录的内容不会丢失。请重新启动。",
    ),
    (
        "search_unavailable",
        "This server does not let phones search online.",
        "此服务器不支持设备在线搜索。",
    ),
];

fn find(table: &'static [Label], code: &str, language: Language) -> Option<&'static str> {
    let (_, english, chinese) = table.iter().find(|(known, ..)| *known == code)?;
    Some(language.pick(english, chinese))
}

/// A field's label; a custom field is called what the organisation calls it.
pub(super) fn field(key: &str, language: Language) -> String {
    let last = key.rsplit_once('.').map_or(key, |(map, entry)| match map {
        "phones" => "phones",
        _ => entry,
    });
    find(FIELDS, last, language).map_or_else(|| last.to_owned(), str::to_owned)
}

/// The name of a kind, an intent, a relation or a choice; the code itself where there is none.
pub(super) fn name(code: &str, language: Language) -> String {
    find(NAMES, code, language).map_or_else(|| code.to_owned(), str::to_owned)
}

/// What a code means for the person, as a sentence.
pub(super) fn reason(code: &str, language: Language) -> Option<&'static str> {
    find(REASONS, code, language)
}

#[cfg(test)]
mod tests {
    use sync_core::document::Kind;

    use super::*;

    #[test]
    fn every_field_of_every_kind_has_a_label_in_both_languages() {
        for kind in Kind::ALL {
            assert!(find(NAMES, kind.name(), Language::Zh).is_some(), "{kind}");
            for field in kind.fields().iter().filter(|field| field.key != "custom") {
                assert!(find(FIELDS, field.key, Language::Zh).is_some(), "{kind} {}", field.key);
            }
        }
        for (code, english, chinese) in [FIELDS, NAMES, REASONS].concat() {
            assert!(!english.is_empty() && !chinese.is_empty(), "{code}");
        }
        assert!(REASONS.iter().all(|(_, english, _)| english.ends_with('.')));
    }

    #[test]
    fn a_custom_field_is_called_by_its_own_name_and_one_of_ours_by_its_label() {
        assert_eq!(field("custom.颜色", Language::Zh), "颜色");
        assert_eq!(field("custom.purpose", Language::En), "Purpose");
        assert_eq!(field("phones.office", Language::En), "Phone");
    }
}
