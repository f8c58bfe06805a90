//! What asking costs, and what is counted of it.

use serde_json::json;

use crate::client::Scene;

const VIEW: &str = "SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY";

#[tokio::test]
async fn a_burst_of_statements_is_one_resume() {
    let scene = Scene::new().await;
    for _ in 0..24 {
        for _ in 0..5 {
            assert_eq!(scene.sql(VIEW).await.status, 200);
        }
        // What reads no view wakes nobody.
        assert_eq!(scene.sql("SELECT CURRENT_ROLE()").await.status, 200);
        scene.advance(3600);
    }
    let credits = scene.double.credits("AUDIT_WH");
    assert_eq!(credits.resumes, 24);
    assert!((credits.credits - 24.0 * 62.0 / 3600.0).abs() < 1e-9, "{credits:?}");
    let counts = scene.double.counts();
    assert_eq!(counts.statements, 24 * 6);
    assert_eq!(counts.statements_by_view["LOGIN_HISTORY"], 24 * 5);
    scene.double.run_script("GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE AUDIT_ROLE").unwrap();
    let hours = scene
        .sql("SELECT COUNT(*), MIN(CREDITS_USED) FROM SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY WHERE WAREHOUSE_NAME = 'AUDIT_WH' AND START_TIME < DATEADD(hour, -1, CURRENT_TIMESTAMP())")
        .await;
    assert_eq!(hours.rows(), &json!([["23", "0.017222222"]]));
}

#[tokio::test]
async fn a_warehouse_that_may_not_wake_stays_asleep() {
    let scene = Scene::new().await;
    scene
        .double
        .run_script("ALTER WAREHOUSE AUDIT_WH SET AUTO_RESUME = FALSE; ALTER WAREHOUSE AUDIT_WH SUSPEND;")
        .unwrap();
    assert_eq!(scene.sql(VIEW).await.outcome(), (422, "000606"));
    scene.double.run_script("ALTER WAREHOUSE AUDIT_WH RESUME IF SUSPENDED").unwrap();
    assert_eq!(scene.sql(VIEW).await.status, 200);
}
