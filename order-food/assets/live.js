// The state of an order as it changes. An event says that there is something new; what is shown is
// read from the page again. Streams are open only while the page is seen: browsers allow six.

const POLL_MS = 15_000
const status = () => document.getElementById("status")
const lost = document.getElementById("lost")
let stream, timer, told

const reread = () => document.dispatchEvent(new CustomEvent("shop:stale", { detail: "#status" }))

function open() {
  const address = status()?.dataset.events
  if (!address || document.hidden || stream) return
  stream = new EventSource(address)
  stream.addEventListener("open", () => (lost.hidden = true))
  stream.addEventListener("status", event => {
    told = Date.now()
    if (event.lastEventId !== status().dataset.version) reread()
  })
  stream.addEventListener("error", () => {
    if (lost.hidden) {
      lost.querySelector("time").dateTime = new Date(told).toISOString()
      document.dispatchEvent(new Event("shop:shown"))
    }
    lost.hidden = !status()?.dataset.events
    if (stream?.readyState === EventSource.CLOSED) close()
  })
  clearInterval(timer)
  timer = setInterval(poll, POLL_MS)
}

// Without a stream, and in case that an event was lost.
function poll() {
  if (document.hidden || !status()?.dataset.events) return
  reread()
  open()
}

function close() {
  stream?.close()
  stream = undefined
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return close()
  reread()
  open()
})
document.addEventListener("shop:shown", () => {
  if (!status()?.dataset.events) {
    close()
    lost.hidden = true
  }
})
addEventListener("pagehide", close)
addEventListener("pageshow", open)
told = Date.now()
open()
