// The cart without page loads: a change is shown at once, sent after those before it, and then
// shown as the server answers. Without this module, the same forms load pages.

const byId = id => document.getElementById(id)
const policy = globalThis.trustedTypes?.createPolicy("shop", { createHTML: text => text })
const parse = text => new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html")

// One change at a time, over all tabs: each answer carries the whole cart as a cookie.
let last = Promise.resolve()
let unfinished = 0
async function inTurn(run) {
  unfinished++
  try {
    await (navigator.locks ? navigator.locks.request("cart", run) : (last = last.then(run, run)))
    byId("trouble").hidden = true
  } catch {
    byId("trouble").hidden = false
  } finally {
    unfinished--
  }
}

const read = async request => {
  const answer = await request
  return { answer, page: parse(await answer.text()) }
}

const post = (form, data, headers) =>
  read(fetch(form.action, { method: "POST", body: data, headers: { Accept: "text/html", ...headers }, keepalive: true }))

function fields(form, button) {
  const data = new URLSearchParams(new FormData(form))
  if (button?.name) data.set(button.name, button.value)
  return data
}

const say = text => (byId("said").textContent = text)

// Takes over what another page holds: all of it, or the element that a selector names.
function show({ answer, page }, selector = "main") {
  const focused = document.activeElement
  const home = focused.closest("li[id]")?.id
  for (const wanted of [selector, "#cart-link"]) {
    const [old, fresh] = [document.querySelector(wanted), page.querySelector(wanted)]
    const isOlder = Number(fresh?.dataset.version) < Number(old?.dataset.version)
    if (old && fresh && !isOlder && old.outerHTML !== fresh.outerHTML) old.replaceWith(document.adoptNode(fresh))
  }
  if (selector === "main") {
    document.title = page.title
    if (answer.redirected) history.replaceState(null, "", answer.url)
    say([...document.querySelectorAll(".notice:not([hidden]), .error")].map(element => element.textContent).join(" "))
  }
  if (!focused.isConnected) successor(focused, home && byId(home)).focus({ preventScroll: true })
  document.dispatchEvent(new Event("shop:shown"))
}

// The element that takes the focus of one that is gone.
function successor({ id, name, value }, home) {
  const named = name ? [...(home ?? document).querySelectorAll(`[name="${CSS.escape(name)}"]`)] : []
  return (
    named.find(element => element.value === value) ??
    (home ? (named[0] ?? home.querySelector("button")) : null) ??
    document.querySelector("[aria-invalid], .undo button") ??
    (id ? byId(id) : null) ??
    document.querySelector("main")
  )
}

// Units that were clicked and not sent yet, by product: many fast clicks become one request.
const unsent = new Map()

function step(form, button) {
  const product = button.value
  const unit = button.name === "less" ? -1 : 1
  unsent.set(product, (unsent.get(product) ?? 0) + unit)
  foresee(product, unit)
  inTurn(async () => {
    const units = unsent.get(product)
    unsent.delete(product)
    if (!units) return
    const data = fields(form)
    data.set(units < 0 ? "less" : "add", product)
    data.set("quantity", Math.abs(units))
    const isMenu = form.dataset.cart === "menu"
    const loaded = await post(form, data, isMenu ? { "X-Fragment": "1" } : {}).catch(error => {
      foresee(product, -units)
      throw error
    })
    const { answer } = loaded
    if (isMenu && answer.redirected) return location.assign(answer.url)
    if (!isMenu || !answer.ok) show(loaded)
    else {
      show(loaded, `#p${product} .stepper`)
      const line = byId(`p${product}`)
      const units = line.querySelector(".quantity")?.textContent ?? 0
      say(`${line.querySelector("h3").textContent}: ${units}. ${byId("cart-link").textContent}`)
    }
    if (unsent.has(product)) foresee(product, unsent.get(product))
  })
}

// Shows what the answer will show, without sums: those are the server's.
function foresee(product, units) {
  const line = byId(`p${product}`)
  const input = line?.querySelector("input[name=quantity]")
  if (input) input.value = Math.max(0, Number(input.value) + units)
  const add = line?.querySelector(".add")
  if (!add) return
  let shown = line.querySelector(".quantity")
  if (!shown) {
    shown = document.createElement("span")
    shown.className = "quantity"
    shown.textContent = "0"
    add.before(shown)
    add.textContent = ""
  }
  shown.firstChild.data = Math.max(0, Number(shown.firstChild.data) + units)
  const count = document.querySelector("#cart-link .count")
  if (count) count.textContent = Math.max(0, Number(count.textContent) + units)
}

document.addEventListener("submit", event => {
  const form = event.target
  const button = event.submitter
  if (form.dataset.cart) {
    event.preventDefault()
    const isStep = (button?.name === "add" || button?.name === "less") && !form.elements.quantity
    if (isStep) step(form, button)
    else inTurn(async () => show(await post(form, fields(form, button))))
  } else if ("checkout" in form.dataset) {
    if (form.dataset.sent) event.preventDefault()
    else if (unfinished) {
      event.preventDefault()
      const shown = form.elements.expected_total.value
      settled().then(() => {
        const now = document.querySelector("form[data-checkout]")
        if (now?.elements.expected_total.value === shown) now.requestSubmit()
        else now?.querySelector("button").focus()
      })
    } else form.dataset.sent = "1"
  }
})

// The second click of a double click on "Add" does not press "less", which has come in its place.
let added
document.addEventListener("click", event => {
  const button = event.target.closest?.("[data-cart=menu] button")
  if (event.detail < 2) added = button?.matches(".add:only-child") && button.value
  else if (button?.name === "less" && button.value === added) event.preventDefault()
})

const settled = async () => {
  while (unfinished) await new Promise(done => setTimeout(done, 20))
}

// A typed quantity counts when the field is left.
document.addEventListener("change", event => {
  if (event.target.name === "quantity") event.target.form.requestSubmit()
})

// A link waits for changes that are on their way, so that its page has them.
document.addEventListener("click", event => {
  const link = event.target.closest?.("a[href]")
  if (!link || !unfinished || event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  settled().then(() => location.assign(link.href))
})

// Back, another tab, or time may have left this page behind. What is being typed stays.
function refresh(selector) {
  if (selector === "main" && document.querySelector("input:focus")) return
  inTurn(async () => {
    const loaded = await read(fetch(location.href, { headers: { Accept: "text/html" } })).catch(() => null)
    if (loaded?.answer.ok) show(loaded, selector)
  })
}
addEventListener("pageshow", event => {
  for (const form of document.querySelectorAll("form[data-checkout]")) delete form.dataset.sent
  if (event.persisted) refresh("main")
})
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && document.querySelector("[data-cart]")) refresh("main")
})
document.addEventListener("shop:stale", event => refresh(event.detail))
