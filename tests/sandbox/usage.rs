//! What providers that know only keys tell of usage: DeepSeek and Moonshot.

use serde_json::json;

use crate::keys;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes::Route;
use crate::world::World;

/// The addresses that tell a balance, under their hosts.
pub const ROUTES: &[Route] = &[
    Route::new("deepseek.balance", "GET", "/key/api.deepseek.com/user/balance", deepseek),
    Route::new("moonshot.balance", "GET", "/key/api.moonshot.ai/v1/users/me/balance", moonshot),
];

fn refusal() -> Reply {
    Reply::json(
        401,
        &json!({ "error": { "message": "Authentication Fails", "type": "authentication_error" } }),
    )
}

fn deepseek(world: &mut World, request: &Request) -> Reply {
    if request.bearer().is_none() || !keys::is_good(world, request) {
        return refusal();
    }
    let info = json!({
        "currency": "CNY", "total_balance": "110.00", "granted_balance": "10.00", "topped_up_balance": "100.00",
    });
    Reply::json(200, &json!({ "is_available": true, "balance_infos": [info] }))
}

fn moonshot(world: &mut World, request: &Request) -> Reply {
    if request.bearer().is_none() || !keys::is_good(world, request) {
        return refusal();
    }
    let data = json!({ "available_balance": 49.58894, "voucher_balance": 46.58893, "cash_balance": 3.00001 });
    Reply::json(200, &json!({ "code": 0, "data": data, "scode": "0x0", "status": true }))
}
