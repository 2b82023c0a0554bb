// Places orders with the JDK's HttpClient as it comes, which asks for HTTP/2 on each new connection: URL, count.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Orders {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("Content-Type", "application/json")
            .header("api_key", "apitest")
            .POST(HttpRequest.BodyPublishers.ofString("{\"items\":[{\"productId\":\"1\",\"quantity\":1}]}"))
            .build();
        int count = Integer.parseInt(arguments[1]);
        for (int number = 0; number < count; number++) {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                System.err.println("order " + number + ": " + answer.statusCode() + " " + answer.body());
                System.exit(1);
            }
        }
    }
}
