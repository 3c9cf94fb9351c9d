use jiff::civil::Date;

use super::*;
use crate::import::{MappingRequest, ReadOptions, read_table};

fn parse(entity: Entity, text: &str, map: &str) -> Parsed {
    let request = MappingRequest::parse(map).unwrap();
    let options = ReadOptions {
        file_name: "a.csv".into(),
        ..ReadOptions::default()
    };
    let table = read_table(text.as_bytes(), entity, &request, &options).unwrap();
    let mapping = Mapping::resolve(entity, &table, &request).unwrap();
    parse_rows(entity, &table, &mapping, "CNY")
}

fn customers(text: &str, map: &str) -> Vec<CustomerRow> {
    let parsed = parse(Entity::Customers, text, map);
    assert_eq!(parsed.refused, []);
    let only_customers = parsed.records.into_iter().filter_map(|record| match record {
        Record::Customer(row) => Some(row),
        _ => None,
    });
    only_customers.collect()
}

fn reasons(entity: Entity, text: &str) -> Vec<(u64, String)> {
    parse(entity, text, "")
        .refused
        .iter()
        .map(|refusal| (refusal.line, refusal.reason()))
        .collect()
}

#[test]
fn northwind_customers_are_read_by_their_own_headers() {
    let rows = customers(
        "CustomerID,CompanyName,ContactName,ContactTitle,Address,City,Region,PostalCode,Country,Phone,Fax\n\
         ANATR,\"Ana Trujillo Emparedados y helados\",\"Ana Trujillo\",Owner,\"Avda. de la Constitución 2222\",\"México D.F.\",,05021,Mexico,\"(5) 555-4729\",\"(5) 555-3745\"\n\
         \"Val2 \",IT,Val2,IT,,,,,,,\n\
         BLAUS,\"Blauer See Delikatessen\",\"Hanna Moos\",\"Sales Representative\",\"Forsterstr. 57\",Mannheim,,68306,Germany,0621-08460,0621-08924\n",
        "",
    );
    assert_eq!(rows[0].external_id.as_deref(), Some("ANATR"));
    assert_eq!(rows[0].address.as_deref(), Some("Avda. de la Constitución 2222"));
    assert_eq!(rows[0].region, None);
    assert_eq!(rows[1].external_id.as_deref(), Some("Val2"));
    assert_eq!((rows[1].name.as_str(), &rows[1].address), ("IT", &None));
    assert_eq!(rows[2].contact.as_ref().unwrap().phone.as_deref(), Some("0621-08460"));
    assert_eq!(
        rows[2].contact.as_ref().unwrap().title.as_deref(),
        Some("Sales Representative")
    );
}

#[test]
fn chinese_headers_tags_and_custom_fields_are_read() {
    let rows = customers(
        "客户名称,区域,标签,负责人,custom.门店数\n阿爸阿妈,北京市,老客户、重点,wang,12\n",
        "",
    );
    assert_eq!(rows[0].tags, ["老客户", "重点"]);
    assert_eq!(rows[0].owner.as_deref(), Some("wang"));
    assert_eq!(rows[0].custom, [("门店数".to_owned(), "12".to_owned())]);
}

#[test]
fn each_bad_row_names_its_line_and_reason_and_costs_no_other() {
    let long = "x".repeat(201);
    let text = format!(
        "name,lat,lon,phone\n,1,2,3\n{long},,,\nA,north,2,\nB,1,,\nok,22.5,114.1,0755-1\nC,1\n\"D\0\",,,\n,x,y,\n"
    );
    let parsed = parse(Entity::Customers, &text, "");
    assert_eq!(parsed.records.len(), 1);
    assert_eq!(
        reasons(Entity::Customers, &text),
        [
            (2, "missing_name".into()),
            (3, "too_long".into()),
            (4, "bad_number".into()),
            (5, "bad_number".into()),
            (7, "short_row".into()),
            (8, "bad_text".into()),
            (9, "bad_number;missing_name".into()),
        ]
    );
}

#[test]
fn orders_become_deals_to_the_cent_with_their_day() {
    let parsed = parse(
        Entity::Opportunities,
        "OrderID,CustomerID,EmployeeID,OrderDate,Amount\n10248,VINET,5,\"1996-07-04 00:00:00.000\",440.0\n10249,TOMSP,6,1996-07-05,1863.4\n10250,X,6,05/07/1996,1.999\n",
        "close_date=OrderDate,author=EmployeeID",
    );
    let Record::Opportunity(first) = &parsed.records[0] else {
        panic!("no opportunity")
    };
    assert_eq!((first.amount_minor, first.currency), (Some(44_000), "CNY"));
    assert_eq!(first.close_date, Some(Date::constant(1996, 7, 4)));
    assert_eq!((first.title.as_str(), first.author.as_deref()), ("10248", Some("5")));
    assert_eq!(parsed.refused[0].reason(), "bad_amount;bad_date");
}

#[test]
fn history_keeps_its_author_and_time() {
    let parsed = parse(
        Entity::FollowUps,
        "客户编号,跟进时间,跟进人,跟进内容,跟进方式,下次跟进日期\nC1,2026-03-01 09:30,li,已报价,微信,2026-03-08\nC1,2026-03-01,li,,传真,\n",
        "",
    );
    let Record::FollowUp(first) = &parsed.records[0] else {
        panic!("no follow-up")
    };
    assert_eq!(first.author.as_deref(), Some("li"));
    assert_eq!(first.channel, Some("wechat"));
    assert_eq!(
        first.at,
        crate::import::values::When::Local(Date::constant(2026, 3, 1).at(9, 30, 0, 0))
    );
    assert_eq!(parsed.refused[0].reason(), "missing_text;unknown_channel");
    assert_eq!(
        reasons(Entity::Visits, "customer,at,note\nC1,,x\n,2026-03-01,x\n"),
        [(2, "missing_date".into()), (3, "missing_customer".into())]
    );
}

#[test]
fn people_have_a_known_role_and_a_login_without_spaces() {
    let text =
        "login,name,role,team,manager\nfuller,Andrew Fuller,manager,Sales,\na b,X,rep,,\nnd,N,chief,,\n,N,rep,,\n";
    assert_eq!(
        reasons(Entity::Users, text),
        [
            (3, "bad_text".into()),
            (4, "unknown_role".into()),
            (5, "missing_login".into())
        ]
    );
}
