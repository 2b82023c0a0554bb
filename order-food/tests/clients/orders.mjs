// Places orders with fetch, as any Node service does: URL, count.

const [url, count] = process.argv.slice(2);
const body = JSON.stringify({ items: [{ productId: "1", quantity: 1 }] });
const headers = { "Content-Type": "application/json", api_key: "apitest" };
for (let number = 0; number < Number(count); number += 1) {
  const answer = await fetch(url, { method: "POST", headers, body });
  const text = await answer.text();
  if (answer.status !== 200) {
    console.error(`order ${number}: ${answer.status} ${text}`);
    process.exit(1);
  }
}
