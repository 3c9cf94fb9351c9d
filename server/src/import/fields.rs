//! The fields of each entity and the column names that mean them.

use super::{Entity, limits};

/// A field and the headers that are taken for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in `--map` and in interfaces.
    pub name: &'static str,
    /// Other headers, compared without case, spaces, `_`, `-`, `*` and colons.
    pub also: &'static [&'static str],
}

const fn field(name: &'static str, also: &'static [&'static str]) -> Field {
    Field { name, also }
}

const EXTERNAL_ID: Field = field(
    "external_id",
    &[
        "id",
        "externalid",
        "编号",
        "客户编号",
        "外部编号",
        "外部id",
        "customerid",
        "customer no",
        "customer number",
        "code",
    ],
);
const NAME_OF_CUSTOMER: Field = field(
    "name",
    &[
        "名称",
        "客户名称",
        "客户",
        "公司",
        "公司名称",
        "企业名称",
        "单位名称",
        "company",
        "companyname",
        "customer",
        "customername",
        "account",
        "accountname",
    ],
);
const OWNER: Field = field(
    "owner",
    &[
        "负责人",
        "归属人",
        "所属人",
        "销售",
        "业务员",
        "owner login",
        "sales rep",
        "assignedto",
    ],
);
const AUTHOR: Field = field(
    "author",
    &[
        "创建人",
        "作者",
        "记录人",
        "提交人",
        "拜访人",
        "跟进人",
        "created by",
        "createdby",
    ],
);
const CUSTOMER: Field = field(
    "customer",
    &[
        "客户编号",
        "客户id",
        "客户",
        "customerid",
        "customer external id",
        "account",
        "accountid",
    ],
);
const AT: Field = field(
    "at",
    &[
        "时间",
        "日期",
        "拜访时间",
        "拜访日期",
        "跟进时间",
        "跟进日期",
        "创建时间",
        "date",
        "time",
        "datetime",
        "created at",
        "when",
    ],
);
const OUTCOME: Field = field("outcome", &["结果", "拜访结果", "跟进结果", "result"]);
const DUE: Field = field(
    "due",
    &[
        "下次日期",
        "下次跟进",
        "下次跟进时间",
        "下次跟进日期",
        "下次拜访",
        "截止日期",
        "due date",
        "next date",
    ],
);
const PHONE: &[&str] = &[
    "电话",
    "手机",
    "手机号",
    "手机号码",
    "联系电话",
    "联系方式",
    "电话号码",
    "mobile",
    "telephone",
    "tel",
    "phone number",
    "cell",
];
const EMAIL: &[&str] = &[
    "邮箱",
    "电子邮箱",
    "电子邮件",
    "邮件",
    "e-mail",
    "mail",
    "email address",
];

static CUSTOMERS: &[Field] = &[
    NAME_OF_CUSTOMER,
    EXTERNAL_ID,
    field(
        "region",
        &[
            "区域",
            "地区",
            "省份",
            "省市",
            "所在地区",
            "所属区域",
            "province",
            "area",
            "territory",
        ],
    ),
    field("industry", &["行业", "所属行业", "sector"]),
    field("source", &["来源", "客户来源", "线索来源", "lead source"]),
    field("tier", &["级别", "等级", "客户级别", "客户等级", "level", "grade"]),
    field(
        "stage",
        &["阶段", "客户阶段", "状态", "客户状态", "status", "lifecycle stage"],
    ),
    field("tags", &["标签", "客户标签", "tag", "labels"]),
    field("address", &["地址", "详细地址", "公司地址", "street"]),
    field("lat", &["纬度", "latitude"]),
    field("lon", &["经度", "longitude", "lng"]),
    OWNER,
    field(
        "contact.name",
        &["联系人", "联系人姓名", "contact", "contactname", "contact person"],
    ),
    field(
        "contact.title",
        &["职务", "职位", "联系人职务", "contacttitle", "job title"],
    ),
    field(
        "contact.phone",
        &[
            "phone",
            "contactphone",
            "电话",
            "手机",
            "手机号",
            "手机号码",
            "联系电话",
            "联系方式",
            "电话号码",
            "mobile",
            "telephone",
            "tel",
            "phone number",
            "cell",
        ],
    ),
    field(
        "contact.email",
        &[
            "email",
            "contactemail",
            "邮箱",
            "电子邮箱",
            "电子邮件",
            "邮件",
            "e-mail",
            "mail",
            "email address",
        ],
    ),
    field(
        "tax_number",
        &[
            "税号",
            "统一社会信用代码",
            "纳税人识别号",
            "tax number",
            "taxno",
            "tax id",
            "vat",
        ],
    ),
];

static CONTACTS: &[Field] = &[
    CUSTOMER,
    field(
        "name",
        &[
            "姓名",
            "联系人",
            "联系人姓名",
            "contact",
            "contactname",
            "contact person",
            "full name",
        ],
    ),
    field("external_id", &["id", "externalid", "编号", "联系人编号", "contactid"]),
    field("title", &["职务", "职位", "contacttitle", "job title"]),
    field("phone", PHONE),
    field("email", EMAIL),
];

static OPPORTUNITIES: &[Field] = &[
    CUSTOMER,
    field(
        "external_id",
        &[
            "id",
            "externalid",
            "编号",
            "商机编号",
            "订单编号",
            "opportunityid",
            "orderid",
            "deal id",
            "order no",
        ],
    ),
    field(
        "title",
        &[
            "标题",
            "名称",
            "商机名称",
            "商机",
            "name",
            "opportunity",
            "deal",
            "subject",
        ],
    ),
    field("stage", &["阶段", "商机阶段", "销售阶段", "状态", "status"]),
    field(
        "amount",
        &["金额", "预计金额", "商机金额", "成交金额", "value", "total"],
    ),
    field("currency", &["币种", "货币"]),
    field(
        "close_date",
        &[
            "预计成交日期",
            "成交日期",
            "结单日期",
            "closedate",
            "closing date",
            "expected close",
        ],
    ),
    OWNER,
    AUTHOR,
    field("at", &["创建时间", "创建日期", "date", "created at", "order date"]),
    field("product", &["产品", "产品名称"]),
    field("loss_reason", &["丢单原因", "输单原因", "lost reason"]),
];

static VISITS: &[Field] = &[
    CUSTOMER,
    AT,
    AUTHOR,
    field(
        "note",
        &[
            "内容",
            "备注",
            "拜访内容",
            "拜访记录",
            "记录",
            "text",
            "notes",
            "comment",
            "description",
        ],
    ),
    OUTCOME,
    DUE,
    field("external_id", &["id", "externalid", "编号", "拜访编号"]),
    field("channel", &["方式", "渠道"]),
];

static FOLLOW_UPS: &[Field] = &[
    CUSTOMER,
    AT,
    AUTHOR,
    field(
        "text",
        &[
            "内容",
            "备注",
            "跟进内容",
            "跟进记录",
            "记录",
            "note",
            "notes",
            "comment",
            "description",
        ],
    ),
    field("channel", &["方式", "渠道", "跟进方式", "联系方式", "type"]),
    OUTCOME,
    DUE,
    field("done", &["完成", "已完成", "completed"]),
    field("external_id", &["id", "externalid", "编号", "跟进编号"]),
];

static USERS: &[Field] = &[
    field(
        "login",
        &[
            "登录名",
            "账号",
            "帐号",
            "用户名",
            "工号",
            "username",
            "user",
            "account",
        ],
    ),
    field("name", &["姓名", "名字", "full name", "display name"]),
    field("role", &["角色"]),
    field("team", &["团队", "部门", "小组", "department"]),
    field(
        "manager",
        &["上级", "经理", "直属上级", "主管", "reports to", "manager login"],
    ),
    field("email", EMAIL),
    field("password", &["密码", "初始密码"]),
];

/// The fields of `entity`, in the order in which exports have them.
#[must_use]
pub fn fields(entity: Entity) -> &'static [Field] {
    match entity {
        Entity::Customers => CUSTOMERS,
        Entity::Contacts => CONTACTS,
        Entity::Opportunities => OPPORTUNITIES,
        Entity::Visits => VISITS,
        Entity::FollowUps => FOLLOW_UPS,
        Entity::Users => USERS,
    }
}

/// The fields without which no row of `entity` can be imported.
#[must_use]
pub const fn required(entity: Entity) -> &'static [&'static str] {
    match entity {
        Entity::Customers => &["name"],
        Entity::Contacts => &["customer", "name"],
        Entity::Opportunities => &["customer"],
        Entity::Visits | Entity::FollowUps => &["customer", "at"],
        Entity::Users => &["login"],
    }
}

/// The field with exactly this name; `custom.<key>` is one for customers. `note` and `text` are one field in
/// visits and follow-ups.
#[must_use]
pub fn field_named(entity: Entity, name: &str) -> Option<String> {
    let name = match (entity, name) {
        (Entity::Visits, "text") => "note",
        (Entity::FollowUps, "note") => "text",
        _ => name,
    };
    if fields(entity).iter().any(|field| field.name == name) || (entity == Entity::Customers && is_custom(name)) {
        return Some(name.to_owned());
    }
    None
}

/// The field that a column of this name is taken for.
#[must_use]
pub fn field_of_column(entity: Entity, column: &str) -> Option<String> {
    let column = normalised(column);
    if column.is_empty() {
        return None;
    }
    let by_name = fields(entity).iter().find(|field| normalised(field.name) == column);
    let field = by_name.or_else(|| {
        fields(entity)
            .iter()
            .find(|field| field.also.iter().any(|also| normalised(also) == column))
    });
    match field {
        Some(field) => Some(field.name.to_owned()),
        None => (entity == Entity::Customers && is_custom(&column)).then_some(column),
    }
}

/// Whether two headers are the same apart from case, spaces and marks.
#[must_use]
pub fn same_column(a: &str, b: &str) -> bool {
    a.trim() == b.trim() || normalised(a) == normalised(b)
}

/// The names of the fields, for messages.
#[must_use]
pub fn field_list(entity: Entity) -> String {
    let mut names: Vec<_> = fields(entity).iter().map(|field| field.name).collect();
    if entity == Entity::Customers {
        names.push("custom.<key>");
    }
    names.join(", ")
}

fn is_custom(name: &str) -> bool {
    name.strip_prefix("custom.").is_some_and(|key| {
        !key.is_empty()
            && key.chars().count() <= limits::CUSTOM_KEY_CHARS_MAX
            && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    })
}

fn normalised(column: &str) -> String {
    // The dot of `custom.x` and the underscore of its key are part of the name.
    let column = column.trim().trim_start_matches('\u{feff}').to_lowercase();
    if column.starts_with("custom.") {
        return column;
    }
    column
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '*' | ':' | '：'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fields_of_an_entity_want_the_same_column() {
        for entity in Entity::ALL {
            let mut seen = std::collections::BTreeMap::new();
            for field in fields(entity) {
                for name in field.also.iter().chain([&field.name]) {
                    if let Some(other) = seen.insert(normalised(name), field.name) {
                        assert_eq!(other, field.name, "{entity}: {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn columns_are_known_in_both_languages() {
        for (column, field) in [
            ("客户名称", "name"),
            ("手机", "contact.phone"),
            ("CompanyName", "name"),
            ("Contact Title", "contact.title"),
        ] {
            assert_eq!(field_of_column(Entity::Customers, column).as_deref(), Some(field));
        }
        assert_eq!(
            field_of_column(Entity::Customers, "custom.shoe_size").as_deref(),
            Some("custom.shoe_size")
        );
        assert_eq!(field_of_column(Entity::Customers, "Fax"), None);
    }
}
