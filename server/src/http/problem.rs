//! Errors as `application/problem+json` (RFC 9457): a stable `code`, a sentence that says what to do in English or
//! Chinese, and the request's id. The only place that knows which refusal is which status.

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::dashboard;
use crate::{
    actions::{ActionError, Code, Refusal},
    storage::StorageError,
};

/// SQLite's code for a full disk, and PostgreSQL's.
const DISK_FULL_CODES: [&str; 2] = ["13", "53100"];

/// An error on its way to the caller. As a response it is still without language and request id; the layer that each
/// request passes gives it both.
#[derive(Debug, Clone)]
pub struct Problem {
    refusal: Box<Refusal>,
    // For the log, never for the caller.
    cause: Option<String>,
}

/// The languages of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// From `Accept-Language`: Chinese if it begins with `zh`, else English.
    pub(super) fn of(header: Option<&HeaderValue>) -> Self {
        let chinese = header
            .and_then(|value| value.as_bytes().get(..2))
            .is_some_and(|start| start.eq_ignore_ascii_case(b"zh"));
        if chinese { Self::Chinese } else { Self::English }
    }

    /// The language of a page: the one that was chosen, else the browser's.
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        match dashboard::chosen_language(headers) {
            Some("zh-CN") => Self::Chinese,
            Some("en") => Self::English,
            _ => Self::of(headers.get(header::ACCEPT_LANGUAGE)),
        }
    }
}

impl Problem {
    pub(super) fn code(&self) -> Code {
        self.refusal.code
    }

    pub(super) fn status(&self) -> StatusCode {
        words(self.refusal.code).0
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Title and advice in a language.
    pub(super) fn words(&self, language: Language) -> Words {
        let (_, english, chinese) = words(self.refusal.code);
        match language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// What exactly is wrong, in English, and the members beside it.
    pub(super) fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The whole answer.
    pub(super) fn render(&self, language: Language, request_id: Option<&str>) -> Response {
        let (status, english, chinese) = words(self.refusal.code);
        let (title, detail) = match language {
            Language::English => english,
            Language::Chinese => chinese,
        };
        let mut body = Map::new();
        body.insert("code".into(), self.refusal.code.as_str().into());
        body.insert("title".into(), title.into());
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), self.refusal.reason.as_deref().unwrap_or(detail).into());
        if let Some(request_id) = request_id {
            body.insert("request_id".into(), request_id.into());
        }
        body.extend(self.refusal.extra.clone());
        let mut response = (status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.refusal.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        ActionError::refused(code).into()
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Refused(refusal) => Self { refusal, cause: None },
            ActionError::Storage(error) => error.into(),
            ActionError::Internal(cause) => failure(Code::Internal, cause),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        // Asked before the text is made: the database's own code is stable, its words are not.
        let code = error.as_database_error().and_then(|error| error.code());
        let full = code.is_some_and(|code| DISK_FULL_CODES.contains(&code.as_ref()));
        failure(if full { Code::StorageFull } else { Code::Internal }, cause_of(&error))
    }
}

// A database error's own words may quote values; its code and kind do not.
fn cause_of(error: &StorageError) -> String {
    match error.as_database_error() {
        Some(error) => format!(
            "database error {} ({:?}){}",
            error.code().unwrap_or_default(),
            error.kind(),
            error.constraint().map(|name| format!(" on {name}")).unwrap_or_default()
        ),
        None => error.to_string(),
    }
}

fn failure(code: Code, cause: String) -> Problem {
    match ActionError::refused(code) {
        ActionError::Refused(refusal) => Problem {
            refusal,
            cause: Some(cause),
        },
        ActionError::Storage(_) | ActionError::Internal(_) => unreachable!("made as a refusal"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) type Words = (&'static str, &'static str);

/// Status, then title and advice in English and in Chinese.
#[expect(clippy::too_many_lines, reason = "a table: one row a code")]
fn words(code: Code) -> (StatusCode, Words, Words) {
    match code {
        Code::InvalidRequest => (
            StatusCode::BAD_REQUEST,
            (
                "Invalid request",
                "Correct the request: a field is missing, malformed or out of bounds.",
            ),
            ("请求无效", "请修正请求：有字段缺失、格式错误或超出范围。"),
        ),
        Code::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            (
                "Not signed in",
                "Sign in and send the token as \"Authorization: Bearer …\".",
            ),
            ("未登录", "请登录，并以“Authorization: Bearer …”发送令牌。"),
        ),
        Code::Reauthenticate => (
            StatusCode::UNAUTHORIZED,
            (
                "Session is over",
                "Sign in again, or prove the device again, to get a new token.",
            ),
            ("会话已过期", "请重新登录，或重新验证设备，以获取新令牌。"),
        ),
        Code::WrongCredentials => (
            StatusCode::UNAUTHORIZED,
            ("Wrong login or password", "Check login and password and try again."),
            ("账号或密码错误", "请检查账号和密码后重试。"),
        ),
        Code::LinkExpired => (
            StatusCode::GONE,
            (
                "Link no longer works",
                "Each link signs in once and for a short time only. Sign in with your password, or ask for a new link.",
            ),
            (
                "链接已失效",
                "每个链接只能登录一次，且有效时间很短。请用密码登录，或索取新的链接。",
            ),
        ),
        Code::ForeignForm => (
            StatusCode::FORBIDDEN,
            (
                "Form refused",
                "Open the page again and send the form from there: this one is of another page or an earlier session.",
            ),
            (
                "表单已被拒绝",
                "请重新打开页面后再提交：此表单来自其他页面或已过期的会话。",
            ),
        ),
        Code::PlainConnection => (
            StatusCode::FORBIDDEN,
            (
                "Connection is not encrypted",
                "Open the server by an https:// address, or on its own machine by http://127.0.0.1: a password must \
                 not cross a network in the clear.",
            ),
            (
                "连接未加密",
                "请使用 https:// 地址访问服务器，或在服务器本机用 http://127.0.0.1 打开：密码不能以明文经过网络。",
            ),
        ),
        Code::TooManyAttempts => (
            StatusCode::TOO_MANY_REQUESTS,
            (
                "Too many failed attempts",
                "Wait as long as Retry-After says, then try again.",
            ),
            ("失败次数过多", "请按 Retry-After 指示的时间等待后再试。"),
        ),
        Code::AccountNotActive => (
            StatusCode::FORBIDDEN,
            ("Account is not active", "Ask an administrator to activate the account."),
            ("账号未启用", "请联系管理员启用账号。"),
        ),
        Code::DeviceRevoked => (
            StatusCode::UNAUTHORIZED,
            (
                "Device was revoked",
                "Ask an administrator, then enrol this device again.",
            ),
            ("设备已被撤销", "请联系管理员，然后重新注册此设备。"),
        ),
        Code::DeviceWiped => (
            StatusCode::UNAUTHORIZED,
            (
                "Device was wiped",
                "Everything on it is gone. Whoever works here signs in on it anew.",
            ),
            ("设备已清除", "设备上的内容已全部清除。在职人员可在其上重新登录。"),
        ),
        Code::ProofRefused => (
            StatusCode::UNAUTHORIZED,
            (
                "Device proof refused",
                "Ask for a new challenge and sign it with the key of this device.",
            ),
            ("设备验证失败", "请获取新的质询，并用本设备的密钥签名。"),
        ),
        Code::DeviceLimit => (
            StatusCode::CONFLICT,
            (
                "Too many devices",
                "Revoke a device that is no longer used, or ask an administrator to.",
            ),
            ("设备过多", "请撤销不再使用的设备，或请管理员处理。"),
        ),
        Code::NotPermitted => (
            StatusCode::FORBIDDEN,
            (
                "Not permitted",
                "Ask somebody whose role allows this, or an administrator for the right.",
            ),
            ("没有权限", "请让有权限的人操作，或向管理员申请权限。"),
        ),
        Code::NotFound => (
            StatusCode::NOT_FOUND,
            ("Not found", "Check the id; it does not exist or is not visible to you."),
            ("未找到", "请检查编号；它不存在，或您无权查看。"),
        ),
        Code::UnknownRoute => (
            StatusCode::NOT_FOUND,
            (
                "No such address",
                "Check the path; /api/v1/openapi.json lists what there is.",
            ),
            ("地址不存在", "请检查路径；/api/v1/openapi.json 列出了全部接口。"),
        ),
        Code::MethodNotAllowed => (
            StatusCode::METHOD_NOT_ALLOWED,
            ("Method not allowed", "Use one of the methods in the Allow header."),
            ("不支持的方法", "请使用 Allow 头中列出的方法。"),
        ),
        Code::AlreadyExists => (
            StatusCode::CONFLICT,
            (
                "Already exists",
                "Choose another name or id, or change the existing one.",
            ),
            ("已存在", "请换一个名称或编号，或修改已有的记录。"),
        ),
        Code::Conflict => (
            StatusCode::CONFLICT,
            ("Changed meanwhile", "Read it again and repeat the change."),
            ("已被他人修改", "请重新读取后再修改。"),
        ),
        Code::Schema => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "A field does not fit",
                "Correct the field named here and send it again.",
            ),
            ("字段不符合要求", "请更正所指出的字段后重新提交。"),
        ),
        Code::EvidenceFixed => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Evidence stays as recorded",
                "Add a correction beside it, for instance as a comment.",
            ),
            ("现场记录不可更改", "请另行添加更正，例如以评论形式。"),
        ),
        Code::Malformed => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Not a message",
                "Send one message of the protocol version named in the header.",
            ),
            ("消息格式错误", "请按照请求头中声明的协议版本发送一条消息。"),
        ),
        Code::ActorConflict => (
            StatusCode::CONFLICT,
            (
                "This device is a copy",
                "Enrol it anew under a new device id and a new actor; what it has not sent is sent again under them.",
            ),
            (
                "此设备是副本",
                "请以新的设备标识重新登记；未发送的内容会以新身份重新发送。",
            ),
        ),
        Code::SyncInProgress => (
            StatusCode::CONFLICT,
            ("A sync is under way", "Wait until it has ended and sync again."),
            ("正在同步", "请等待当前同步结束后再试。"),
        ),
        Code::AlreadyClaimed => (
            StatusCode::CONFLICT,
            (
                "Already claimed",
                "Choose another customer, or ask the owner or a manager.",
            ),
            ("已被领取", "请选择其他客户，或联系负责人或主管。"),
        ),
        Code::ClaimLimit => (
            StatusCode::CONFLICT,
            (
                "Claim limit reached",
                "Wait until the period is over, or ask a manager.",
            ),
            ("已达领取上限", "请等到下一周期，或联系主管。"),
        ),
        Code::HoldingCap => (
            StatusCode::CONFLICT,
            ("Holding limit reached", "Release a customer first, or ask a manager."),
            ("已达持有上限", "请先释放一个客户，或联系主管。"),
        ),
        Code::CoolingDown => (
            StatusCode::CONFLICT,
            (
                "Released too recently",
                "Wait until the cooling-down time is over, or ask a manager.",
            ),
            ("释放时间太近", "请等冷却期结束，或联系主管。"),
        ),
        Code::HandoverToSelf => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Handed over to himself",
                "Choose somebody else, or a pool: what he has cannot go to himself.",
            ),
            (
                "不能交接给本人",
                "请选择其他人或客户公海：本人名下的内容不能交接给本人。",
            ),
        ),
        Code::TargetNotActive => (
            StatusCode::CONFLICT,
            (
                "Successor is not active",
                "Choose somebody who works here: the one named is leaving or has left.",
            ),
            ("接手人未启用", "请选择在职人员：所选人员正在离职或已离职。"),
        ),
        Code::CoverBySelf => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Covered by himself",
                "Choose a colleague: nobody stands in for himself.",
            ),
            ("不能由本人代管", "请选择其他同事：本人不能代管自己的客户。"),
        ),
        Code::PolicyBounds => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Outside the safe bounds",
                "Choose one of the choices that the policy names for this cell; a cell without choices stays as it is.",
            ),
            (
                "超出安全范围",
                "请从策略为该单元格列出的选项中选择；没有选项的单元格不可更改。",
            ),
        ),
        Code::PlanEmpty => (
            StatusCode::UNPROCESSABLE_ENTITY,
            ("Plan names nobody", "Name at least one person or pool that takes over."),
            ("交接方案为空", "请至少指定一位接手人或一个公海。"),
        ),
        Code::PlanIncomplete => (
            StatusCode::UNPROCESSABLE_ENTITY,
            (
                "Plan leaves customers behind",
                "Add a line for the rest, or a share: every customer goes to somebody.",
            ),
            (
                "交接方案不完整",
                "请为其余客户增加一行，或按比例分配：每个客户都要有去向。",
            ),
        ),
        Code::NothingToHandOver => (
            StatusCode::CONFLICT,
            (
                "Nothing to hand over",
                "Look at the list of handovers: somebody may have done it already.",
            ),
            ("没有可交接的内容", "请查看交接记录：可能已由他人完成交接。"),
        ),
        Code::UndoExpired => (
            StatusCode::CONFLICT,
            (
                "Too late to undo",
                "A handover is undone within 24 hours; assign the customers again instead.",
            ),
            ("已超过撤销时限", "交接只能在 24 小时内撤销；请重新分配客户。"),
        ),
        Code::AlreadyUndone => (
            StatusCode::CONFLICT,
            (
                "Already undone",
                "Look at the handover: it says what went back and what stayed.",
            ),
            ("已撤销", "请查看该交接：其中列出了已退回和保留的内容。"),
        ),
        Code::RateLimited => (
            StatusCode::TOO_MANY_REQUESTS,
            ("Asked too often", "Wait as long as Retry-After says, then try again."),
            ("请求过于频繁", "请按 Retry-After 指示的时间等待后再试。"),
        ),
        Code::CursorReset => (
            StatusCode::CONFLICT,
            (
                "Cursor of an older log",
                "Begin again without a cursor; the server was restored from a backup.",
            ),
            ("游标已失效", "请不带游标重新读取；服务器已从备份恢复。"),
        ),
        Code::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            ("Too large", "Send less at once."),
            ("内容过大", "请减少单次发送的内容。"),
        ),
        Code::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            (
                "Unsupported type of content",
                "Send the Content-Type and Content-Encoding that this address takes.",
            ),
            (
                "不支持的内容类型",
                "请使用该接口支持的 Content-Type 和 Content-Encoding。",
            ),
        ),
        Code::UpgradeRequired => (
            StatusCode::UPGRADE_REQUIRED,
            ("Version not supported", "Update the app; nothing unsent is lost by it."),
            ("版本不受支持", "请升级应用；未发送的内容不会丢失。"),
        ),
        Code::TimedOut => (
            StatusCode::SERVICE_UNAVAILABLE,
            ("Took too long", "Try again later; repeating is safe."),
            ("处理超时", "请稍后重试；重复发送是安全的。"),
        ),
        Code::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            ("Server is busy", "Wait as long as Retry-After says, then try again."),
            ("服务器繁忙", "请按 Retry-After 指示的时间等待后再试。"),
        ),
        Code::StorageFull => (
            StatusCode::INSUFFICIENT_STORAGE,
            (
                "Server's disk is full",
                "Tell an administrator; keep the data, it can be sent again later.",
            ),
            ("服务器磁盘已满", "请通知管理员；数据请保留，稍后可重新发送。"),
        ),
        Code::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            (
                "Server error",
                "Try again later; if it stays, tell an administrator the request id.",
            ),
            ("服务器错误", "请稍后重试；若持续出现，请将请求编号告知管理员。"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_status_of_refusal_and_words_in_both_languages() {
        for code in Code::ALL {
            let (status, english, chinese) = words(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
            assert!(english.0.is_ascii() && english.1.ends_with('.'), "{code:?}");
            assert!(!chinese.0.is_ascii() && chinese.1.ends_with('。'), "{code:?}");
        }
    }

    #[test]
    fn a_failure_says_nothing_of_its_cause() {
        let problem = Problem::from(ActionError::Internal("row of Li Wei".into()));
        let response = problem.render(Language::English, Some("r1"));
        assert_eq!(response.status(), 500);
        assert!(!format!("{:?}", response.headers()).contains("Li Wei"));
        assert_eq!(problem.cause(), Some("row of Li Wei"));
    }
}
