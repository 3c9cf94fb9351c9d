//! What the people of the demonstration write, each text in Chinese and English.

use rand::{Rng, rngs::StdRng};

use super::{language::Language, names::ChooseOne};

/// The same in Chinese and in English.
pub(super) type Pair = (&'static str, &'static str);

pub(super) const TRADES: [Pair; 16] = [
    ("机电", "Electromechanics"),
    ("轴承", "Bearings"),
    ("食品", "Foods"),
    ("建材", "Building Materials"),
    ("医疗器械", "Medical Devices"),
    ("包装", "Packaging"),
    ("五金", "Hardware"),
    ("化工", "Chemicals"),
    ("精密机械", "Precision Machinery"),
    ("纺织", "Textiles"),
    ("电子科技", "Electronics"),
    ("物流", "Logistics"),
    ("新能源", "New Energy"),
    ("农业", "Agriculture"),
    ("家居", "Furnishings"),
    ("汽车配件", "Auto Parts"),
];

pub(super) const SOURCES: [Pair; 6] = [
    ("展会", "Trade fair"),
    ("转介绍", "Referral"),
    ("电话开发", "Cold call"),
    ("老客户", "Former customer"),
    ("官网", "Website"),
    ("地推", "Canvassing"),
];

pub(super) const TAGS: [Pair; 7] = [
    ("重点", "key account"),
    ("价格敏感", "price-sensitive"),
    ("账期长", "long credit"),
    ("用竞品", "uses a competitor"),
    ("新厂", "new plant"),
    ("年框", "annual contract"),
    ("决策慢", "slow to decide"),
];

pub(super) const TITLES: [Pair; 7] = [
    ("采购经理", "Purchasing manager"),
    ("总经理", "General manager"),
    ("技术主管", "Technical lead"),
    ("财务", "Finance"),
    ("仓库主管", "Warehouse manager"),
    ("生产厂长", "Plant manager"),
    ("行政", "Administration"),
];

pub(super) const SURNAMES: [Pair; 24] = [
    ("王", "Wang"),
    ("李", "Li"),
    ("张", "Zhang"),
    ("刘", "Liu"),
    ("陈", "Chen"),
    ("杨", "Yang"),
    ("赵", "Zhao"),
    ("黄", "Huang"),
    ("周", "Zhou"),
    ("吴", "Wu"),
    ("徐", "Xu"),
    ("孙", "Sun"),
    ("胡", "Hu"),
    ("朱", "Zhu"),
    ("高", "Gao"),
    ("林", "Lin"),
    ("何", "He"),
    ("郭", "Guo"),
    ("马", "Ma"),
    ("罗", "Luo"),
    ("梁", "Liang"),
    ("宋", "Song"),
    ("郑", "Zheng"),
    ("谢", "Xie"),
];

pub(super) const GIVEN_NAMES: [Pair; 30] = [
    ("建国", "Jianguo"),
    ("秀英", "Xiuying"),
    ("伟", "Wei"),
    ("敏", "Min"),
    ("静", "Jing"),
    ("强", "Qiang"),
    ("磊", "Lei"),
    ("洋", "Yang"),
    ("艳", "Yan"),
    ("勇", "Yong"),
    ("军", "Jun"),
    ("杰", "Jie"),
    ("娟", "Juan"),
    ("涛", "Tao"),
    ("明", "Ming"),
    ("超", "Chao"),
    ("霞", "Xia"),
    ("平", "Ping"),
    ("桂英", "Guiying"),
    ("志强", "Zhiqiang"),
    ("海燕", "Haiyan"),
    ("文博", "Wenbo"),
    ("雨欣", "Yuxin"),
    ("子涵", "Zihan"),
    ("晓东", "Xiaodong"),
    ("丽娜", "Lina"),
    ("国栋", "Guodong"),
    ("思远", "Siyuan"),
    ("美玲", "Meiling"),
    ("俊峰", "Junfeng"),
];

pub(super) const OUTCOMES: [Pair; 5] = [
    ("有意向", "Interested"),
    ("需跟进", "To be followed up"),
    ("已下单", "Ordered"),
    ("暂无需求", "No need for now"),
    ("约下次", "Meeting again"),
];

const SAID: [Pair; 22] = [
    ("客户对价格比较敏感", "They look hard at the price"),
    (
        "希望月底前拿到正式报价",
        "They want a formal quote before the end of the month",
    ),
    ("现场查看了生产线", "Walked along the production line with them"),
    ("库存还能用两周左右", "Their stock lasts another two weeks or so"),
    (
        "对上一批货的质量表示满意",
        "Happy with the quality of the last delivery",
    ),
    ("提出延长账期到六十天", "They ask for sixty days of credit"),
    ("竞争对手上周也来拜访过", "A competitor was here last week"),
    ("采购经理下周出差", "The purchasing manager travels next week"),
    ("需要技术同事一起上门", "They want somebody technical along next time"),
    ("准备先下一个小批量试单", "They will begin with a small trial order"),
    ("包装要求换成防潮的", "They need moisture-proof packaging"),
    ("新厂房预计明年三月投产", "The new hall starts production next March"),
    ("约好下周三再次拜访", "Agreed to meet again on Wednesday"),
    ("合同条款还在法务审核", "The contract is still with their lawyers"),
    (
        "想了解年度框架协议的折扣",
        "They ask about the discount of an annual contract",
    ),
    ("反馈送货时间不稳定", "They say our deliveries come at odd times"),
    ("样品已经签收正在测试", "The samples have arrived and are being tested"),
    ("付款流程需要总部审批", "Payments need head office's approval"),
    ("对售后响应速度有顾虑", "They worry how fast our service answers"),
    ("本次拜访气氛很好", "A good conversation altogether"),
    (
        "门口没有信号，回来再同步",
        "No signal at the gate, synced on the way back",
    ),
    (
        "负责人换了，重新介绍了产品",
        "Somebody new is in charge, presented everything again",
    ),
];

const TO_DO: [Pair; 12] = [
    ("发送报价单", "Send the quote"),
    ("寄样品", "Send samples"),
    ("确认合同条款", "Confirm the terms of the contract"),
    ("约技术同事上门", "Arrange a visit with a technician"),
    ("回电确认交期", "Call back about the delivery date"),
    ("发送新版产品目录", "Send the new catalogue"),
    ("跟进试单反馈", "Ask how the trial order went"),
    ("催回款", "Ask for the payment"),
    ("整理竞品对比", "Compare us with the competitor"),
    ("邀请参加展会", "Invite to the trade fair"),
    ("核对对账单", "Check the statement of account"),
    ("确认年框折扣", "Confirm the discount of the annual contract"),
];

const NEEDS: [Pair; 8] = [
    (
        "每月补货两次，交期不超过五天",
        "Restocks twice a month, at most five days from order to delivery",
    ),
    (
        "需要开增值税专用发票，账期三十天",
        "Needs VAT invoices, thirty days of credit",
    ),
    (
        "主要看性价比，对品牌要求不高",
        "Value for money counts, the brand does not",
    ),
    (
        "计划明年扩产，用量预计翻倍",
        "Expands next year and expects to need twice as much",
    ),
    (
        "对质量一致性要求高，需附检测报告",
        "Wants constant quality with a test report each time",
    ),
    ("希望有专人对接售后", "Wants one person to talk to after the sale"),
    (
        "淡季用量小，旺季集中在三到六月",
        "Needs little off season; the season is March to June",
    ),
    (
        "现有供应商到年底合同到期",
        "The contract with the present supplier ends this year",
    ),
];

const PREFERENCES: [Pair; 5] = [
    ("上午联系方便，微信优先", "Best in the morning, by WeChat"),
    ("不喜欢电话推销，先发资料", "Dislikes calls: send papers first"),
    ("周五下午不安排见面", "No meetings on Friday afternoons"),
    (
        "爱喝龙井，聊天从孩子上学开始",
        "Likes Longjing tea; begin with how the children do at school",
    ),
    ("决定前要去现场看一次", "Wants to see it on site before deciding"),
];

const TROUBLE: [Pair; 5] = [
    (
        "到货外箱破损，要求补发",
        "Boxes arrived damaged; they want a replacement",
    ),
    ("发票抬头开错", "The invoice names the wrong company"),
    (
        "设备异响，需要工程师上门",
        "The machine makes a noise; an engineer is needed",
    ),
    ("少发两件", "Two pieces were missing"),
    ("批次颜色有差异", "The colour differs between batches"),
];

const LOST_BECAUSE: [Pair; 3] = [
    ("价格高于竞品", "A competitor was cheaper"),
    ("项目推迟到明年", "Their project was put off to next year"),
    ("预算被砍", "Their budget was cut"),
];

const RETURNED_BECAUSE: [Pair; 3] = [
    ("三个月联系不上", "Not reached in three months"),
    ("不在服务范围", "Outside our region"),
    ("客户转行", "They changed their business"),
];

/// Writes in one language, the same for the same generator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer(pub(super) Language);

impl Writer {
    fn one(self, list: &[Pair], generator: &mut StdRng) -> String {
        let pair = list.choose_one(generator).copied().unwrap_or_default();
        self.0.of(pair).to_owned()
    }

    /// Two or three sentences.
    pub(super) fn note(self, generator: &mut StdRng) -> String {
        let mut said: Vec<String> = Vec::new();
        let count = generator.random_range(2..=3);
        while said.len() < count {
            let sentence = self.one(&SAID, generator);
            if !said.contains(&sentence) {
                said.push(sentence);
            }
        }
        match self.0 {
            Language::Zh => format!("{}。", said.join("，")),
            Language::En => format!("{}.", said.join(". ")),
        }
    }

    pub(super) fn outcome(self, generator: &mut StdRng) -> String {
        self.one(&OUTCOMES, generator)
    }

    pub(super) fn to_do(self, generator: &mut StdRng) -> String {
        self.one(&TO_DO, generator)
    }

    pub(super) fn needs(self, generator: &mut StdRng) -> String {
        self.one(&NEEDS, generator)
    }

    pub(super) fn preferences(self, generator: &mut StdRng) -> String {
        self.one(&PREFERENCES, generator)
    }

    pub(super) fn trouble(self, generator: &mut StdRng) -> String {
        self.one(&TROUBLE, generator)
    }

    pub(super) fn lost_because(self, generator: &mut StdRng) -> String {
        self.one(&LOST_BECAUSE, generator)
    }

    pub(super) fn returned_because(self, generator: &mut StdRng) -> String {
        self.one(&RETURNED_BECAUSE, generator)
    }

    pub(super) fn title(self, generator: &mut StdRng) -> String {
        self.one(&TITLES, generator)
    }

    /// What a deal is called.
    pub(super) fn deal(self, trade: Pair, generator: &mut StdRng) -> String {
        let (zh, en) = *[
            ("年度采购", "annual supply"),
            ("试单", "trial order"),
            ("新线设备", "equipment of a new line"),
            ("备件", "spare parts"),
        ]
        .choose_one(generator)
        .unwrap_or(&("试单", "trial order"));
        match self.0 {
            Language::Zh => format!("{}{zh}", trade.0),
            Language::En => format!("{}: {en}", trade.1),
        }
    }
}
