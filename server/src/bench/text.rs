//! What people would write: names, addresses, notes. The same seed gives the same texts.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// How prose is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TextStyle {
    /// Random Han characters: no two notes share a pair, so nothing compresses and the search index grows fastest.
    Han,
    /// Common phrases of field sales, as people write.
    Phrases,
}

/// The block of Han characters in everyday use, from the first to the last.
const HAN: std::ops::RangeInclusive<u32> = 0x4E00..=0x9FA5;

const REGIONS: [&str; 8] = [
    "上海市",
    "江苏省苏州市",
    "浙江省杭州市",
    "广东省深圳市",
    "山东省青岛市",
    "四川省成都市",
    "湖北省武汉市",
    "福建省厦门市",
];
const STREETS: [&str; 8] = [
    "人民路",
    "中山北路",
    "建设大道",
    "科技园南区",
    "工业三路",
    "滨河西街",
    "环城东路",
    "解放路",
];
const TRADES: [&str; 8] = ["机电", "轴承", "食品", "建材", "医疗器械", "包装", "五金", "化工"];
const SOURCES: [&str; 4] = ["展会", "转介绍", "电话开发", "老客户"];
const STAGES: [&str; 4] = ["lead", "contacted", "negotiating", "customer"];
const TIERS: [&str; 4] = ["A", "B", "C", "D"];
const TAGS: [&str; 6] = ["重点", "价格敏感", "账期长", "竞品", "新厂", "年框"];
const SURNAMES: [&str; 10] = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴"];
const TITLES: [&str; 5] = ["采购经理", "总经理", "技术主管", "财务", "仓库主管"];
const ROLES: [&str; 4] = ["决策人", "影响者", "使用者", "把关人"];
const OUTCOMES: [&str; 4] = ["有意向", "需跟进", "已下单", "暂无需求"];
const PHRASES: [&str; 20] = [
    "客户对价格比较敏感，",
    "希望月底前拿到正式报价，",
    "现场查看了生产线，",
    "库存还能用两周左右，",
    "对上一批货的质量表示满意，",
    "提出延长账期到六十天，",
    "竞争对手上周也来拜访过，",
    "采购经理下周出差，",
    "需要技术同事一起上门，",
    "准备先下一个小批量试单，",
    "包装要求换成防潮的，",
    "新厂房预计明年三月投产，",
    "约好下周三再次拜访，",
    "合同条款还在法务审核，",
    "想了解年度框架协议的折扣，",
    "反馈送货时间不稳定，",
    "样品已经签收正在测试，",
    "付款流程需要总部审批，",
    "对售后响应速度有顾虑，",
    "本次拜访气氛很好，",
];

/// Writes texts from a seeded generator.
pub(crate) struct Writer {
    style: TextStyle,
    generator: StdRng,
}

impl Writer {
    pub(crate) fn new(style: TextStyle, seed: u64) -> Self {
        Self {
            style,
            generator: StdRng::seed_from_u64(seed),
        }
    }

    /// Prose of so many characters.
    pub(crate) fn prose(&mut self, chars: std::ops::RangeInclusive<usize>) -> String {
        let count = self.generator.random_range(chars);
        match self.style {
            TextStyle::Han => self.han(count),
            TextStyle::Phrases => {
                let mut text = String::new();
                let mut length = 0;
                while length < count {
                    let phrase = self.pick(&PHRASES);
                    length += phrase.chars().count();
                    text.push_str(phrase);
                }
                text.chars().take(count).collect()
            }
        }
    }

    fn han(&mut self, count: usize) -> String {
        (0..count)
            .filter_map(|_| char::from_u32(self.generator.random_range(HAN)))
            .collect()
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.generator.random_range(0..list.len())]
    }

    pub(crate) fn number(&mut self, range: std::ops::Range<i64>) -> i64 {
        self.generator.random_range(range)
    }

    /// Degrees around a middle, to six places.
    pub(crate) fn degrees(&mut self, middle: f64) -> f64 {
        let micro = self.generator.random_range(-400_000..400_000_i32);
        ((middle + f64::from(micro) / 1e6) * 1e6).round() / 1e6
    }

    pub(crate) fn company(&mut self) -> String {
        let city = self.pick(&REGIONS);
        let (name, trade) = (self.han(3), self.pick(&TRADES));
        format!("{}{name}{trade}有限公司", &city[..city.len() - "市".len()])
    }

    pub(crate) fn person(&mut self) -> String {
        let given = self.han(2);
        format!("{}{given}", self.pick(&SURNAMES))
    }

    pub(crate) fn address(&mut self) -> String {
        let (city, street) = (self.pick(&REGIONS), self.pick(&STREETS));
        let (house, building, room) = (self.number(1..900), self.number(1..20), self.number(101..2500));
        format!("{city}{street}{house}号{building}幢{room}室")
    }

    pub(crate) fn mobile(&mut self) -> String {
        format!("1{}", self.number(3_000_000_000..9_999_999_999))
    }

    pub(crate) fn region(&mut self) -> &'static str {
        self.pick(&REGIONS)
    }

    pub(crate) fn trade(&mut self) -> &'static str {
        self.pick(&TRADES)
    }

    pub(crate) fn source(&mut self) -> &'static str {
        self.pick(&SOURCES)
    }

    pub(crate) fn stage(&mut self) -> &'static str {
        self.pick(&STAGES)
    }

    pub(crate) fn tier(&mut self) -> &'static str {
        self.pick(&TIERS)
    }

    pub(crate) fn tag(&mut self) -> &'static str {
        self.pick(&TAGS)
    }

    pub(crate) fn title(&mut self) -> &'static str {
        self.pick(&TITLES)
    }

    pub(crate) fn role(&mut self) -> &'static str {
        self.pick(&ROLES)
    }

    pub(crate) fn outcome(&mut self) -> &'static str {
        self.pick(&OUTCOMES)
    }
}
